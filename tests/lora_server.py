"""A server with vLLM's API for rollouts: chat with tokens and log-probabilities, adapters reloaded.

It runs a real model, and can be told to fail as servers do.
"""

import base64
import hashlib
import threading
from http.server import BaseHTTPRequestHandler
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image

from groundtune.generate.decode import decode_with_logp
from groundtune.records import ImagePart, Message, Prompt, Sampling, TextPart
from groundtune.vlm.encode import encode_prompt
from groundtune.vlm.load import Vlm, load
from scripted_endpoint import Body, ScriptedEndpoint, hang_up, send


class LoraServer(ScriptedEndpoint):
    """Serves a model folder and the adapters that it is told to load."""

    def __init__(self, model: Path) -> None:
        super().__init__(lambda body, index: "")
        self.base = str(model)
        self.models_by_name: dict[str, Vlm] = {"tiny": load(self.base, dtype="float32")}
        self.loaded: list[str] = []
        self.drop_logprobs = False
        self.drop_ids = False
        self.expand_twice = False
        self.stale = False
        """Whether adapters are accepted and not used."""
        self.shift = 0.0
        """Added to every log-probability."""
        self.refuses_adapters = False
        self.loses_replies = False
        """Whether the reply to a load is lost, so that it is sent again."""
        self.finish = ""
        """The reason of every end, instead of the true one."""
        self.changed: dict[int, int] = {}
        """Tokens of answers that are returned as others."""
        self.drawn = 0
        self.fail_after: int | None = None
        """Answers after which it refuses everything."""
        self._images: dict[str, Image.Image] = {}
        self._model = threading.Lock()

    def open(self, sha256: str) -> Image.Image:
        """The image of a request."""
        return self._images[sha256]

    def serve(self, handler: BaseHTTPRequestHandler, body: Body) -> None:
        """One request."""
        with self._lock:
            self.bodies.append(body)
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            self._reply(handler, body)
        finally:
            with self._lock:
                self._at_once -= 1

    def _reply(self, handler: BaseHTTPRequestHandler, body: Body) -> None:
        if handler.path.endswith("/load_lora_adapter"):
            self._load(handler, body)
        elif handler.path.endswith("/unload_lora_adapter"):
            known = self.models_by_name.pop(body["lora_name"], None) is not None
            send(handler, 200 if known else 404, "Success" if known else "cannot be found")
        else:
            with self._model:
                failed = self.fail_after is not None and self.drawn >= self.fail_after
                if failed:
                    send(handler, 400, {"error": {"message": "out of order"}})
                else:
                    send(handler, 200, self._chat(body))

    def _load(self, handler: BaseHTTPRequestHandler, body: Body) -> None:
        if self.refuses_adapters:
            send(handler, 404, {"error": {"message": "Not Found"}})
            return
        if body["lora_name"] in self.models_by_name:
            message = f"The lora adapter '{body['lora_name']}' has already been loaded."
            send(handler, 400, {"error": {"message": message}})
            return
        adapter = None if self.stale else Path(body["lora_path"])
        self.models_by_name[body["lora_name"]] = load(self.base, adapter=adapter, dtype="float32")
        self.loaded.append(body["lora_name"])
        if self.loses_replies:
            self.loses_replies = False
            hang_up(handler)
            return
        send(handler, 200, "Success: LoRA adapter added.")

    def _chat(self, body: Body) -> Body:
        vlm = self.models_by_name[body["model"]]
        encoded = encode_prompt(vlm, self._prompt(body["messages"]), self)
        limit = body.get("max_completion_tokens", body.get("max_tokens"))
        sampling = Sampling(max_new_tokens=limit, temperature=body["temperature"])
        banned = [int(i) for i, bias in body.get("logit_bias", {}).items() if bias <= -100]
        [answer] = decode_with_logp(vlm, [encoded], [0], [body["seed"]], sampling, banned=banned)
        self.drawn += 1
        text = vlm.processor.tokenizer.decode(answer.ids, skip_special_tokens=True)
        stopped = answer.ids[-1] in vlm.eos_ids
        choice: Body = {
            "index": 0,
            "message": {"role": "assistant", "content": text},
            "finish_reason": self.finish or ("stop" if stopped else "length"),
        }
        reply: Body = {"id": "x", "model": body["model"], "choices": [choice]}
        if body.get("logprobs") and not self.drop_logprobs:
            content = [{"token": "x", "logprob": each + self.shift} for each in answer.logp]
            choice["logprobs"] = {"content": content}
        if body.get("return_token_ids") and not self.drop_ids:
            choice["token_ids"] = [self.changed.get(token, token) for token in answer.ids]
            reply["prompt_token_ids"] = self._read(vlm, encoded.ids)
        return reply

    def _read(self, vlm: Vlm, ids: tuple[int, ...]) -> list[int]:
        image = vlm.model.config.image_token_id if self.expand_twice else None
        return [token for each in ids for token in ([each] * (2 if each == image else 1))]

    def _prompt(self, messages: list[dict[str, Any]]) -> Prompt:
        """The prompt of a request, its images kept by their hash."""
        made: list[Message] = []
        for message in messages:
            content = message["content"]
            parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
            own: list[TextPart | ImagePart] = []
            for part in parts:
                if part["type"] == "text":
                    own.append(TextPart(text=part["text"]))
                    continue
                data = base64.b64decode(part["image_url"]["url"].partition(",")[2])
                sha256 = hashlib.sha256(data).hexdigest()
                self._images[sha256] = Image.open(BytesIO(data)).convert("RGB")
                own.append(ImagePart(image=sha256))
            made.append(Message(role=message["role"], content=tuple(own)))
        return Prompt(key="served", messages=tuple(made))
