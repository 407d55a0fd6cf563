"""Captions while somebody speaks: a camera, a stream or a file read at its own pace."""
