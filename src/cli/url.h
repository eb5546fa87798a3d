/* Parts of addresses.  Layer cli; pure. */
#pragma once
#include "base/str.h"

/* Percent-encode a name for a path: '/' stays, all but unreserved characters are encoded. */
void url_add_name(struct su_buf *buf, const char *name);
/* Append "?key=value" or "&key=value"; nothing when value is NULL. */
void url_add_query(struct su_buf *buf, const char *key, const char *value);
/* Host is loopback: 127.0.0.0/8, ::1 or localhost. */
bool url_is_loopback(const char *url);
