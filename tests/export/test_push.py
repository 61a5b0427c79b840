"""Uploading to the hub, of which a server on this machine is the stand-in."""

import base64
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from export.run_makers import made_run, rows
from vicinal.cli import run
from vicinal_cli import fails


class Hub(BaseHTTPRequestHandler):
    """Takes repositories and commits of small files."""

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        server = self.server
        server.asked.append(self.path)
        if self.headers.get("Authorization") != "Bearer hf_token":
            self.answer({"error": "Invalid credentials"}, 401)
        elif self.path == "/api/repos/create":
            server.created.append(json.loads(body))
            self.answer({"url": f"{server.url}/me/rows", "id": "me/rows"})
        elif "/preupload/" in self.path:
            asked = json.loads(body)["files"]
            files = [
                {"path": f["path"], "uploadMode": "regular", "shouldIgnore": False} for f in asked
            ]
            self.answer({"files": files})
        elif "/commit/" in self.path:
            for line in map(json.loads, body.splitlines()):
                if line["key"] == "file":
                    content = base64.b64decode(line["value"]["content"])
                    server.files[line["value"]["path"]] = content
            self.answer({"commitUrl": f"{server.url}/c/1", "commitOid": "1", "success": True})
        else:
            self.answer({"error": "unknown"}, 404)

    def do_GET(self):
        self.server.asked.append(self.path)
        self.answer({"error": "unknown"}, 404)

    def answer(self, values, code=200):
        content = json.dumps(values).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *arguments):
        pass


@pytest.fixture
def hub(monkeypatch):
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    server.url = f"http://127.0.0.1:{server.server_port}"
    server.asked, server.created, server.files = [], [], {}
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", server.url)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("HF_TOKEN", "hf_token")
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def arguments(tmp_path):
    made_run(tmp_path / "run", rows())
    (tmp_path / "t.csv").write_text("age,work\n20,self\n30,state\n")
    return ["export", str(tmp_path / "run"), str(tmp_path / "t.csv"), "--format", "hub"]


def test_a_folder_is_uploaded_where_that_is_asked_for(hub, arguments, tmp_path, capsys):
    assert run(arguments) == 0
    assert hub.asked == []
    (tmp_path / "run-export" / "private.txt").write_text("no part of the export")
    assert run([*arguments, "--push-to-hub", "me/rows", "--overwrite"]) == 0
    written = ["README.md", "model.json", "model.safetensors"]
    assert sorted(hub.files) == written
    assert all((tmp_path / "run-export" / n).read_bytes() == hub.files[n] for n in written)
    assert hub.created[0]["name"] == "rows"
    assert f"pushed to:      {hub.url}/me/rows" in capsys.readouterr().out


def test_a_hub_that_refuses_is_one_sentence(hub, arguments, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("HF_TOKEN", "another")
    said = fails(capsys, *arguments, "--push-to-hub", "me/rows")
    assert "run-export is written, but me/rows cannot be pushed (" in said
    assert "hf auth login" in said
    assert (tmp_path / "run-export" / "model.json").exists()
