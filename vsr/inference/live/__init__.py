"""Live captions from a camera, a stream or a file played at its own pace."""
