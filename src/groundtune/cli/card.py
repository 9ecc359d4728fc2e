"""`groundtune card`."""

from pathlib import Path


def card(
    run: Path,
    /,
    *,
    scores: tuple[Path, ...] = (),
    name: str = "",
    licence: str = "",
    upload: str = "",
    public: bool = False,
    json: bool = False,
) -> None:
    """Write the card of a trained model or of pairs, as the Hugging Face hub shows it.

    A model's card has its base, settings, the licences of its data, and the measured scores as a
    model-index. It is written as README.md into the model's folder, over the base's. Nothing is
    uploaded without --upload.

    For example:

        groundtune card runs/ddpo --scores runs/after --licence apache-2.0
        groundtune card runs/corrections --name "Our corrections"

    Args:
        run: Folder that `groundtune train`, `pairs` or `import` wrote.
        scores: Folder of `groundtune bench run` that measured the model; may be repeated.
        name: Name on the card (default: the folder's).
        licence: Licence of the weights or rows, such as apache-2.0.
        upload: Upload the folder to the hub under this name, OWNER/NAME, for you alone to see.
        public: Let everyone see what is uploaded.
        json: Print the result as one JSON object.
    """
    from groundtune.cli.finish import finish
    from groundtune.errors import UserError
    from groundtune.pipeline.exchange.card import make_card, write_card
    from groundtune.pipeline.exchange.card import upload as upload_card
    from groundtune.store.lock import hold

    if public and not upload:
        raise UserError("Nothing is uploaded.", "--public", "Add --upload OWNER/NAME.")
    with hold(run):
        model_card = make_card(run, scores=scores, name=name, licence=licence)
        path = write_card(model_card)
        results = {
            "kind": model_card.kind,
            "non_commercial": ", ".join(model_card.non_commercial) or "no",
        }
        if upload:
            results["uploaded"] = upload_card(model_card, upload, private=not public)
    finish(results, path=path, json=json)
