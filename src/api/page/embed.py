"""Write a page as a C header, with the hashes of its inline scripts and styles for the content security policy.

usage: embed.py PAGE.html HEADER.h
"""

import base64
import hashlib
import re
import sys


def policy_hashes(page: str, tag: str) -> str:
    """The CSP sources for every inline element of that kind, or 'none'."""
    bodies = re.findall(rf"<{tag}(?:\s[^>]*)?>(.*?)</{tag}>", page, flags=re.S)
    hashes = [base64.b64encode(hashlib.sha256(body.encode()).digest()).decode() for body in bodies]
    return " ".join(f"'sha256-{value}'" for value in hashes) or "'none'"


def main() -> None:
    source, target = sys.argv[1:]
    with open(source, "rb") as file:
        data = file.read()
    page = data.decode()
    lines = [",".join(str(byte) for byte in data[at:at + 64]) for at in range(0, len(data), 64)]
    with open(target, "w", encoding="ascii") as file:
        file.write("#pragma once\n#include <stddef.h>\n")
        file.write(f'static const char page_etag[] = "{hashlib.sha256(data).hexdigest()[:16]}";\n')
        file.write(f'static const char page_scripts[] = "{policy_hashes(page, "script")}";\n')
        file.write(f'static const char page_styles[] = "{policy_hashes(page, "style")}";\n')
        file.write("static const unsigned char page_data[] = {\n" + ",\n".join(lines) + "};\n")
        file.write("static const size_t page_size = sizeof page_data;\n")


main()
