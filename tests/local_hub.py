"""A hub that is a folder: huggingface_hub's own functions are replaced, its errors and patterns are the real ones."""

import shutil
from pathlib import Path

import huggingface_hub
from huggingface_hub import errors
from huggingface_hub.utils import filter_repo_objects


def answer(kind, status):
    """An error as the hub's library raises it for an HTTP status."""
    from httpx2 import Request, Response

    response = Response(status, request=Request("GET", "https://huggingface.co/api/models/org/name"))
    return kind(f"{status} Client Error\nsecond line", response=response)


class LocalHub:
    """Repositories are `folder/org/name/revision`; fetched files are in `folder/cache`."""

    def __init__(self, folder):
        self.folder, self.fetched, self.fails = Path(folder), [], None

    def add(self, repository, source, revision="main"):
        return Path(shutil.copytree(source, self.folder / repository / revision, dirs_exist_ok=True))

    def snapshot_download(self, repo_id, *, revision=None, allow_patterns=None):
        if self.fails:
            raise self.fails
        if not (self.folder / repo_id).is_dir():
            raise answer(errors.RepositoryNotFoundError, 404)
        source = self.folder / repo_id / (revision or "main")
        if not source.is_dir():
            raise answer(errors.RevisionNotFoundError, 404)
        cache = self.folder / "cache" / repo_id / source.name
        names = [path.relative_to(source).as_posix() for path in source.rglob("*") if path.is_file()]
        for name in filter_repo_objects(names, allow_patterns=allow_patterns):
            (cache / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source / name, cache / name)
            self.fetched.append(name)
        cache.mkdir(parents=True, exist_ok=True)
        return str(cache)

    def api(self):
        return self

    def create_repo(self, repo_id, *, private=False, exist_ok=False):
        if self.fails:
            raise self.fails
        assert exist_ok
        (self.folder / repo_id / "main").mkdir(parents=True, exist_ok=True)

    def create_commit(self, repo_id, operations, *, commit_message):
        for operation in operations:
            target = self.folder / repo_id / "main" / operation.path_in_repo
            target.parent.mkdir(parents=True, exist_ok=True)
            with operation.as_file() as stream:
                target.write_bytes(stream.read())


def install(monkeypatch, folder):
    """A LocalHub in place of the network."""
    hub = LocalHub(folder)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", hub.snapshot_download)
    monkeypatch.setattr(huggingface_hub, "HfApi", hub.api)
    return hub
