"""The supported file formats, and the messages for other files.

Supported are formats that contain a recording themselves. Excluded are FFmpeg's "formats" that open other files or the
network (playlists such as hls, dash, concat and imf, session descriptions, numbered frames, DVDs, spanned recordings
such as mlv), devices, scripts, subtitles, and raw samples without a header.
"""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote

from vsr.core.errors import VsrError
from vsr.core.files import may_not_read

VIDEO = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpeg,mpegts,flv,live_flv,kux,ogg,asf,asf_o,mxf,gxf,lxf,nut,nuv,nsv,dv,"
    "rm,ivr,wtv,ty,pva,swf,yuv4mpegpipe,vob,ivf,obu,dhav,ifv,mpjpeg,smjpeg,mxg,lmlm4,vivo,cine,r3d,iv8,mgsts,"
    "mpegvideo,m4v,h261,h263,h264,hevc,vvc,av1,vc1,vc1test,cavsvideo,dirac,dnxhd,mjpeg,mjpeg_2000,ingenient,ipu,"
    "gif,apng,jpegxl_anim,roq,bink,smk,film_cpk,xmv,mtv"
)
SOUND = (
    "wav,w64,aiff,caf,au,nistsphere,ircam,voc,avr,paf,pvf,sox,iff,iamf,mp3,aac,loas,ac3,eac3,dts,dtshd,mlp,truehd,flac,"
    "wv,ape,tta,tak,shn,mpc,mpc8,amr,amrnb,amrwb,gsm,ilbc,qcp,g722,aptx,aptx_hd,aea,oma,act,dss,dsf,vqf,xwma,"
    "bonk,osq,rka,qoa,svs"
)
PICTURES = "image2,jpeg_pipe,png_pipe,webp_pipe,bmp_pipe,tiff_pipe"
FORMATS = f"{VIDEO},{SOUND},{PICTURES}"

# A name such as shot%03d.jpg is a single file, not a pattern, and no container may refer to another file.
OPENING = {"format_whitelist": FORMATS, "protocol_whitelist": "file", "pattern_type": "none", "enable_drefs": "0"}

OTHERS = (  # (pattern of its beginning, kind, advice)
    (r"#EXTM3U|ffconcat|\[playlist\]|\[Reference\]|<asx|<smil|<\?wpl|(<\?xml[^>]*>\s*)?(<!--.*?-->\s*)?<MPD|v=0\s+o=",
     "a playlist", "give the recordings that it names"),
    (r"<!doctype html|(<\?xml[^>]*>\s*)?<html", "a web page", "it was saved in place of the recording"),
    (r"version https://git-lfs", "a Git LFS pointer", "fetch the recording with git lfs pull"),
    (r"WEBVTT|\[Script Info\]|\d+\s+\d\d:\d\d:\d\d[,.]\d+ -->", "subtitles", ""),
    (r"PK\x03\x04|\x1f\x8b|Rar!|7z\xbc\xaf|\xfd7zXZ", "an archive", "unpack it"),
)  # fmt: skip
MAKE_VIDEO = "make a video of them first (ffmpeg -framerate 25 -i %04d.png film.mkv)"
NUMBERED = re.compile(r"%\d*d")
ADDRESS = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):/+(.*)")


def kind_of(path: Path) -> str | None:
    """The message about a file that is no recording, with advice; None if its kind is not known."""
    with path.open("rb") as file:
        head = file.read(1024).decode("latin-1").removeprefix("\xef\xbb\xbf").lstrip()
    for begins, kind, advice in OTHERS:
        if re.match(begins, head, re.IGNORECASE | re.DOTALL):
            return f"this kind of file ({kind}) is not read" + (f": {advice}" if advice else "")
    return None


def no_file(path: str | Path) -> VsrError:
    """The error for a file that does not exist."""
    reason = "you may not read this file" if may_not_read(path) else "no such file"
    return VsrError("unreadable", message_about_name(path) or f"{path}: {reason}")


def message_about_name(path: str | Path) -> str | None:
    """The message about a name that is no path: an address, standard input, numbered pictures; None for others."""
    if match := ADDRESS.fullmatch(str(path)):
        return _about_address(*match.groups())
    if str(path) == "-":
        return "-: standard input is not read: save it as a file first (a stream: vsr live -)"
    if NUMBERED.search(Path(path).name):
        return f"{path}: numbered pictures are not read: {MAKE_VIDEO}"
    return None


def _about_address(scheme: str, rest: str) -> str:
    if scheme.lower() == "file":
        return f"file:///{rest}: is an address: give the path, /{unquote(rest)}"
    return f"{scheme}://{rest}: addresses are not read: fetch the file first (a stream: vsr live)"
