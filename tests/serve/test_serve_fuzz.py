"""Requests made from the server's own OpenAPI schema, right and wrong, and bytes of any kind."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from running_server import ANSWER, claims_of, data_url, png, service_of, serving

SMALL = settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
IMAGES = [data_url(png()), data_url(png()[:30]), "data:image/png;base64,", "http://a/b.png", ""]
JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[httpx.Client, dict[str, Any]]]:
    service = service_of(check=claims_of, limits={"max_tokens": 50, "n": 3})
    with serving(service) as base, httpx.Client(base_url=base, timeout=20) as client:
        yield client, client.get("/openapi.json").json()
        assert client.get("/health").json() == {"status": "ok", "running": 0, "waiting": 0}
        assert len(service.images) == 0


def valid(schema: dict[str, Any], document: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Values that a JSON schema allows; near its bounds, for those are where servers err."""
    if "$ref" in schema:
        name = schema["$ref"].split("/")[-1]
        return valid(document["components"]["schemas"][name], document)
    if "const" in schema:
        return st.just(schema["const"])
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    choices = schema.get("anyOf") or schema.get("oneOf")
    if choices:
        return st.one_of([valid(choice, document) for choice in choices])
    return of_type(schema, document)


def of_type(schema: dict[str, Any], document: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Values of a schema that names a type."""
    if "type" not in schema:  # any value passes
        return JUNK
    kind = schema["type"]
    if kind == "object" and "properties" in schema:
        fields = {name: valid(own, document) for name, own in schema["properties"].items()}
        if "url" in fields:
            fields["url"] = st.sampled_from(IMAGES)
        needed = {name: fields.pop(name) for name in schema.get("required", [])}
        return st.fixed_dictionaries(needed, optional=fields)
    if kind == "object":
        values = valid(schema["additionalProperties"], document)
        return st.dictionaries(st.text(max_size=5), values, max_size=2)
    if kind == "array":
        least = schema.get("minItems", 0)
        return st.lists(valid(schema["items"], document), min_size=least, max_size=3)
    low = schema.get("minimum", schema.get("exclusiveMinimum", -10))
    high = schema.get("maximum", low + 10)
    return {
        "string": st.text(max_size=20),
        "boolean": st.booleans(),
        "null": st.none(),
        "integer": st.integers(low, min(high, max(low + 10, 10))),
        "number": st.floats(low, high, allow_nan=False, exclude_min="exclusiveMinimum" in schema),
    }[kind]


def check(response: httpx.Response) -> None:
    """An answer, or an error in the API's form; never a fault of the server's."""
    assert response.status_code < 500, response.text
    if response.status_code != 200:
        error = response.json()["error"]
        assert set(error) == {"message", "type", "param", "code"}
        assert isinstance(error["message"], str)
        assert response.status_code in (400, 404, 413, 415, 429)
    elif response.headers["content-type"].startswith("text/event-stream"):
        assert response.text.endswith("data: [DONE]\n\n")
    else:
        assert response.json()["choices"][0]["message"]["content"] in ANSWER


@SMALL
@given(data=st.data())
def test_requests_that_the_schema_allows_are_answered_or_refused_in_form(
    server: tuple[httpx.Client, dict[str, Any]], data: st.DataObject
):
    client, document = server
    sent = data.draw(valid({"$ref": "#/components/schemas/ChatRequest"}, document))
    if data.draw(st.integers(0, 3)):
        sent["model"] = "tiny"
    headers = {"Content-Type": "application/json"}
    check(client.post("/v1/chat/completions", content=json.dumps(sent), headers=headers))


@SMALL
@given(data=st.data())
def test_requests_with_one_thing_wrong_are_answered_or_refused_in_form(
    server: tuple[httpx.Client, dict[str, Any]], data: st.DataObject
):
    client, document = server
    sent = data.draw(valid({"$ref": "#/components/schemas/ChatRequest"}, document))
    sent["model"] = "tiny"
    spoil(sent, data)
    headers = {"Content-Type": "application/json"}
    check(client.post("/v1/chat/completions", content=json.dumps(sent), headers=headers))


def spoil(value: Any, data: st.DataObject) -> None:
    """Replaces something, somewhere, by anything."""
    places = list(value) if isinstance(value, dict) else range(len(value))
    if not places:
        return
    place = data.draw(st.sampled_from(list(places)))
    inner = value[place]
    if isinstance(inner, dict | list) and data.draw(st.booleans()):
        spoil(inner, data)
    else:
        value[place] = data.draw(JUNK)


@SMALL
@given(content=st.binary(max_size=60) | JUNK.map(lambda value: json.dumps(value).encode()))
def test_bytes_of_any_kind_are_refused_in_form(
    server: tuple[httpx.Client, dict[str, Any]], content: bytes
):
    headers = {"Content-Type": "application/json"}
    response = server[0].post("/v1/chat/completions", content=content, headers=headers)
    check(response)
    assert response.status_code == 400


@SMALL
@given(damage=st.lists(st.tuples(st.integers(0, 60), st.integers(0, 255)), min_size=1, max_size=4))
def test_damaged_images_are_seen_or_refused_in_form(
    server: tuple[httpx.Client, dict[str, Any]], damage: list[tuple[int, int]]
):
    data = bytearray(png())
    for place, byte in damage:
        data[place] = byte
    parts = [{"type": "image_url", "image_url": {"url": data_url(bytes(data))}}]
    sent = {"model": "tiny", "messages": [{"role": "user", "content": parts}]}
    check(server[0].post("/v1/chat/completions", json=sent))


def test_the_check_of_replies_finds_what_it_should():
    request = httpx.Request("POST", "http://a")
    for bad in (httpx.Response(500, json={}), httpx.Response(400, json={"error": {}})):
        bad.request = request
        with pytest.raises(AssertionError):
            check(bad)
