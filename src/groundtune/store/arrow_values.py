"""Arrow types of records' fields, and their values as Arrow's and back.

A nested record becomes a struct, a tuple a list, a dict with text keys a map, a Literal the type of
its values. A union of records with a `type` field becomes one struct with the fields of all of
them, null if a variant lacks a field.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportUnknownParameterType=false
# pyright: reportMissingTypeStubs=false
# Reason: pyarrow ships no types.

import types
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Annotated, Any, Literal, Union, cast, get_args, get_origin

import pyarrow as pa
from pydantic import BaseModel

Convert = Callable[[Any], Any]
"""Turns one value into another."""

_SCALARS: dict[object, pa.DataType] = {
    str: pa.string(),
    bool: pa.bool_(),
    int: pa.int64(),
    float: pa.float64(),
    bytes: pa.binary(),
}


@cache
def arrow_schema(record_type: type[BaseModel]) -> pa.Schema:
    """The record's columns; those whose annotation allows None are nullable.

    Raises:
        TypeError: an annotation has no Arrow type here.
    """
    return pa.schema(_fields(record_type))


def _fields(record_type: type[BaseModel]) -> list[pa.Field]:
    fields: list[pa.Field] = []
    for name, field in record_type.model_fields.items():
        data_type, nullable = _arrow(field.annotation)
        fields.append(pa.field(name, data_type, nullable=nullable))
    return fields


def _arrow(annotation: object) -> tuple[pa.DataType, bool]:
    """Arrow type of an annotation, and whether it allows None."""
    annotation, optional = _strip(annotation)
    if annotation in _SCALARS:
        return _SCALARS[annotation], optional
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return _SCALARS[type(arguments[0])], optional
    if origin in (tuple, list):
        return pa.list_(_item(arguments[0])), optional
    if origin is dict and arguments[0] is str:
        return pa.map_(pa.string(), _item(arguments[1])), optional
    if records := _records(annotation):
        return pa.struct(_merged(records)), optional
    raise TypeError(f"no Arrow type for {annotation}")


def _item(annotation: object) -> pa.Field:
    data_type, nullable = _arrow(annotation)
    return pa.field("item", data_type, nullable=nullable)


def _merged(records: Sequence[type[BaseModel]]) -> list[pa.Field]:
    if len(records) == 1:
        return _fields(records[0])
    fields = {field.name: field for record in records for field in _fields(record)}
    shared = set.intersection(*(set(record.model_fields) for record in records))
    return [fields[name].with_nullable(name not in shared) for name in fields]


@cache
def _strip(annotation: object) -> tuple[object, bool]:
    """The annotation without Annotated and None, and whether None was allowed."""
    optional = False
    while True:
        if get_origin(annotation) is Annotated:
            annotation = get_args(annotation)[0]
        elif _is_union(annotation) and type(None) in get_args(annotation):
            optional = True
            annotation = Union[  # noqa: UP007  # members are known only here
                tuple(member for member in get_args(annotation) if member is not type(None))
            ]
        else:
            return annotation, optional


def _records(annotation: object) -> tuple[type[BaseModel], ...]:
    """The record classes of an annotation that is a record or a union of records, else ()."""
    members = get_args(annotation) if _is_union(annotation) else (annotation,)
    types_ = tuple(_strip(member)[0] for member in members)
    if all(isinstance(type_, type) and issubclass(type_, BaseModel) for type_ in types_):
        return cast("tuple[type[BaseModel], ...]", types_)
    return ()


def _is_union(annotation: object) -> bool:
    return get_origin(annotation) in (Union, types.UnionType)


@cache
def _encoder(annotation: object) -> Convert:
    """What turns a field's values into Arrow's."""
    annotation, _ = _strip(annotation)
    arguments = get_args(annotation)
    if get_origin(annotation) in (tuple, list):
        item = _encoder(arguments[0])
        return _or_none(lambda values: [item(value) for value in values])
    if get_origin(annotation) is dict:
        item = _encoder(arguments[1])
        return _or_none(lambda values: [(name, item(value)) for name, value in values.items()])
    return _or_none(_encode_record) if _records(annotation) else _unchanged


def _encode_record(record: BaseModel) -> dict[str, Any]:
    if _is_plain(type(record)):
        return vars(record)
    return {name: convert(getattr(record, name)) for name, convert in encoders(type(record))}


@cache
def encoders(record_type: type[BaseModel]) -> list[tuple[str, Convert]]:
    """By field: what turns its values into Arrow's."""
    fields = record_type.model_fields.items()
    return [(name, _encoder(field.annotation)) for name, field in fields]


@cache
def _is_plain(record_type: type[BaseModel]) -> bool:
    """Whether a record's values are Arrow's, all of them."""
    return all(convert is _unchanged for _, convert in encoders(record_type))


@cache
def _decoder(annotation: object) -> Convert:
    """What turns Arrow's values into those that pydantic reads as the annotation's."""
    annotation, _ = _strip(annotation)
    arguments = get_args(annotation)
    if get_origin(annotation) in (tuple, list):
        item = _decoder(arguments[0])
        return _or_none(lambda values: tuple([item(value) for value in values]))
    if get_origin(annotation) is dict:
        item = _decoder(arguments[1])
        return _or_none(lambda values: {name: item(value) for name, value in values})
    records = _records(annotation)
    if len(records) == 1:
        return _or_none(struct_decoder(records[0]))
    return _or_none(_union_decoder(records)) if records else _unchanged


def struct_decoder(record: type[BaseModel]) -> Convert:
    """What turns a row of Arrow's values into those that pydantic reads as the record's."""
    fields = record.model_fields.items()
    convert = {name: _decoder(field.annotation) for name, field in fields}
    return lambda values: {
        name: convert.get(name, _unchanged)(value) for name, value in values.items()
    }


def _union_decoder(records: Sequence[type[BaseModel]]) -> Convert:
    """Reads the record that the field `type` names, without the fields of the others."""
    variants = {
        kind: (record.model_fields, struct_decoder(record))
        for record in reversed(records)
        for kind in (None, *get_args(record.model_fields["type"].annotation))
    }

    def decode(values: Mapping[str, Any]) -> Any:
        fields, convert = variants.get(values.get("type"), variants[None])
        return convert({name: value for name, value in values.items() if name in fields})

    return decode


def _or_none(convert: Convert) -> Convert:
    return lambda value: None if value is None else convert(value)


def _unchanged(value: Any) -> Any:
    return value
