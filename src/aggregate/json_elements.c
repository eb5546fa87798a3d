/* Taking a JSON list apart, without reading what its elements hold: see json_block.h.  Layer aggregate; pure. */
#include "json_block.h"
#include <string.h>

static bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

static const char *skip_spaces(const char *at, const char *end)
{
    while (at < end && is_space(*at))
        at++;
    return at;
}

/* Past the closing quote of the text that begins behind `at`, or NULL. */
static const char *skip_text(const char *at, const char *end)
{
    for (at++; at < end; at++) {
        if (*at == '\\')
            at++;
        else if (*at == '"')
            return at + 1;
    }
    return NULL;
}

/* The comma or bracket that ends the element, or NULL. */
static const char *skip_element(const char *at, const char *end)
{
    for (size_t depth = 0; at < end;) {
        char c = *at;
        if (c == '"') {
            at = skip_text(at, end);
            if (at == NULL)
                return NULL;
            continue;
        }
        if (depth == 0 && (c == ',' || c == ']' || c == '}'))
            return c == '}' ? NULL : at;
        depth += c == '{' || c == '[';
        depth -= c == '}' || c == ']';
        at++;
    }
    return NULL;
}

bool json_parser_elements(struct json_parser *parser, struct su_str text, bool (*each)(void *arg, struct su_str element, struct su_err *err),
                          void *arg, struct su_err *err)
{
    const char *end = text.ptr + text.len, *at = skip_spaces(text.ptr, end);
    if (at == end || *at != '[')
        return su_fail(err, SU_INVALID, "not a JSON list: it does not begin with [");
    at = skip_spaces(at + 1, end);
    bool is_empty = at < end && *at == ']';
    while (!is_empty) {
        const char *stop = skip_element(at, end);
        if (stop == NULL)
            return su_fail(err, SU_INVALID, "not JSON: the list is not closed");
        struct su_str element = su_str_trim((struct su_str){at, (size_t)(stop - at)});
        if (element.len == 0)
            return su_fail(err, SU_INVALID, "not JSON: an element is missing, near byte %zu", (size_t)(stop - text.ptr));
        if (!each(arg, element, err))
            return false;
        at = stop;
        if (*stop == ']')
            break;
        at = skip_spaces(stop + 1, end);
    }
    if (skip_spaces(at + 1, end) != end)
        return su_fail(err, SU_INVALID, "not JSON: there is text after the list's end, near byte %zu", (size_t)(at + 1 - text.ptr));
    return true;
}
