/* Text as a part of an address (RFC 3986, 2.1).  Layer base; pure. */
#pragma once
#include "str.h"

/* Append text with every byte that is not unreserved (letters, digits, "-._~") nor one of `kept` in hexadecimal. */
void su_percent_add(struct su_buf *buf, const char *text, const char *kept);
