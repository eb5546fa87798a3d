/* Python literals ↔ JSON.  Layer interact; pure, any thread. */
#pragma once
#include "base/json.h"
#include "base/str.h"

enum { PYTHON_DEPTH_MAX = 64 };

/* A literal expression (str, int, float, bool, None, list, tuple, dict with
 * string keys, nested; adjacent strings joined) to JSON.  False when the text is
 * anything else: a call, a name, bytes, a set, an integer past 64 bits. */
bool python_parse(struct su_str text, json_t **ret);
/* The value as papermill writes it: double-quoted ASCII strings, True, None, repr of floats. */
void python_write(struct su_buf *out, const json_t *value);
/* Length of the string literal at text (prefix letters not included), its closing quotes included.
 * One that is not closed ends before its line's end, or with the text when it began with three quotes. */
size_t python_string_length(struct su_str text, bool *ret_closed);
/* Letters, digits, underscore and everything beyond ASCII. */
bool python_is_name_byte(char c);
