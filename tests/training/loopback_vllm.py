"""A server on the loopback that speaks as vLLM's own does, where this project asks it: real tokens and log-probs.

Behind it is a tiny policy and plain forward passes. It knows `/v1/models`, `/v1/completions` with token ids in and out,
adapters by name, and the weights that TRL sends (here in a file, where vLLM has NCCL).
"""

import copy
import json
import random
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import torch
from peft import PeftModel
from safetensors.torch import load_file

BASE = "base"


class Loopback(ThreadingHTTPServer):
    """The server.

    Attributes:
        model: The base model.
        adapters: Models with adapters by name, and every name that there ever was.
        requests: Bodies of all completions asked for.
        raw: Whether it gives log-probs of the distribution before tempering, as vLLM does unless told otherwise.
        stale: Whether it takes new weights and goes on with what it had.
    """

    daemon_threads = True

    def __init__(self, model):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.model = copy.deepcopy(model).eval()
        self.adapters, self.requests, self.names = {}, [], []
        self.raw = self.stale = False
        self.turn = threading.Lock()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, request, client_address):
        """A client that is gone, as after a cancelled episode, is no error."""

    def load(self, name, folder):
        if name in self.names:
            return 400, f"The lora adapter '{name}' has already been loaded."
        held = list(self.adapters.values())
        fresh = PeftModel.from_pretrained(copy.deepcopy(self.model), folder).eval()
        self.adapters[name] = held[-1] if self.stale and held else fresh
        self.names.append(name)
        return 200, f"Success: LoRA adapter '{name}' added successfully."

    def unload(self, name):
        if self.adapters.pop(name, None) is None:
            return 404, f"The lora adapter '{name}' cannot be found."
        return 200, f"Success: LoRA adapter '{name}' removed successfully."

    def update(self, file):
        if not self.stale:
            missing, unexpected = self.model.load_state_dict(load_file(file), strict=False)
            assert not unexpected, unexpected
            assert set(missing) <= {"lm_head.weight"}, missing
        return 200, "updated"

    def complete(self, body):
        self.requests.append(body)
        model = self.model if body["model"] == BASE else self.adapters.get(body["model"])
        if model is None:
            return 404, {"error": {"message": f"The model `{body['model']}` does not exist."}}
        with self.turn, torch.inference_mode():
            choice = {"index": 0, **self.drawn(model, body)}
            if "prompt_logprobs" in body:
                choice["prompt_logprobs"] = self.scored(model, body["prompt"])
        return 200, {"id": "cmpl-1", "object": "text_completion", "choices": [choice]}

    def scored(self, model, ids):
        every = torch.log_softmax(model(input_ids=torch.tensor([ids])).logits[0, :-1].float(), -1)
        told = [
            {str(token): {"logprob": float(row[token]), "rank": 1}} for token, row in zip(ids[1:], every, strict=True)
        ]
        return [None, *told]

    def drawn(self, model, body):
        rng, ids, logprobs = random.Random(body.get("seed")), [], []
        temperature = body["temperature"]
        while len(ids) < body["max_tokens"]:
            logits = model(input_ids=torch.tensor([body["prompt"] + ids])).logits[0, -1].float()
            table = torch.log_softmax(logits / (temperature or 1.0), -1)
            chance = torch.tensor([rng.random()], dtype=torch.float64)
            cumulated = table.double().exp().cumsum(-1)
            token = int(
                torch.searchsorted(cumulated, chance * cumulated[-1], right=True) if temperature else table.argmax()
            )
            ids.append(token)
            logprobs.append(float((torch.log_softmax(logits, -1) if self.raw else table)[token]))
            if token in body.get("stop_token_ids", ()):
                break
        told = {"token_logprobs": logprobs, "tokens": [f"token_id:{token}" for token in ids], "text_offset": []}
        return {"text": "", "token_ids": ids, "logprobs": told if "logprobs" in body else None}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        known = {
            "/v1/models": {"object": "list", "data": [{"id": BASE, "object": "model"}]},
            "/health": {},
            "/server_info": {"vllm_config": {"model_config": {"logprobs_mode": "processed_logprobs"}}},
        }
        path = self.path.partition("?")[0]
        self.say(*((200, known[path]) if path in known else (404, {"error": {"message": "Not Found"}})))

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or "{}")
        server = self.server
        match self.path:
            case "/v1/completions":
                self.say(*server.complete(body))
            case "/v1/load_lora_adapter":
                self.say(*server.load(body["lora_name"], body["lora_path"]))
            case "/v1/unload_lora_adapter":
                self.say(*server.unload(body["lora_name"]))
            case "/update_weights":
                self.say(*server.update(body["file"]))
            case "/reset_prefix_cache":
                self.say(200, {"success": True})
            case _:
                self.say(404, {"error": {"message": "Not Found"}})

    def say(self, status, content):
        plain = content if isinstance(content, str) else json.dumps(content)
        data = (
            json.dumps({"error": {"message": content}}) if status >= 400 and isinstance(content, str) else plain
        ).encode()
        self.send_response(status)
        self.send_header(
            "Content-Type", "text/plain" if isinstance(content, str) and status < 400 else "application/json"
        )
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *args):
        pass


@contextmanager
def serving(model):
    """The server at work, around a copy of a model."""
    server = Loopback(model)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
