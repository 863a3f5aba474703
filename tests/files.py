"""Files to send along: the least that is one of each kind."""

from __future__ import annotations

PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"
JPEG = b"\xff\xd8\xff\xe0\0\x10JFIF\0"
GIF = b"GIF89a\1\0\1\0\x80\0\0"
WEBP = b"RIFF\x1a\0\0\0WEBPVP8L"
PDF = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n"
ZIP = b"PK\x03\x04\x14\0\x06\0\x08\0"
OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1\0\0"
MOBI = b"A book".ljust(60, b"\0") + b"BOOKMOBI"
