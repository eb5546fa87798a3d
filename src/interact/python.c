/* Python literals ↔ JSON: a small recursive reader and a writer.  Layer interact; pure, any thread. */
#include "python.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "number.h"

bool python_is_name_byte(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           (unsigned char)c >= 0x80;
}

size_t python_string_length(struct su_str text, bool *ret_closed)
{
    char quote = text.ptr[0];
    bool is_triple = text.len >= 3 && text.ptr[1] == quote && text.ptr[2] == quote;
    size_t width = is_triple ? 3 : 1;
    *ret_closed = true;
    for (size_t i = width; i < text.len; i++) {
        char c = text.ptr[i];
        if (c == '\\')
            i++;
        else if (!is_triple && c == '\n')
            return *ret_closed = false, i;
        else if (c == quote && i + width <= text.len && text.ptr[i + width - 1] == quote &&
                 text.ptr[i + width / 2] == quote)
            return i + width;
    }
    *ret_closed = false;
    return text.len;
}

/* ---- reading ---- */

struct reader { const char *at, *end; int depth; };

static json_t *read_value(struct reader *r);

/* White space, line ends and comments between the parts of a literal. */
static void skip_space(struct reader *r)
{
    while (r->at < r->end) {
        if (*r->at == '#') {
            while (r->at < r->end && *r->at != '\n')
                r->at++;
        } else if (strchr(" \t\r\n\f", *r->at) && *r->at) {
            r->at++;
        } else if (*r->at == '\\' && r->at + 1 < r->end && r->at[1] == '\n') {
            r->at += 2;
        } else {
            return;
        }
    }
}

static bool take(struct reader *r, char c)
{
    skip_space(r);
    if (r->at >= r->end || *r->at != c)
        return false;
    r->at++;
    return true;
}

static bool add_code_point(struct su_buf *out, uint32_t c)
{
    if (c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
        return false;
    char bytes[4];
    size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    static const unsigned char lead[] = {0, 0, 0xc0, 0xe0, 0xf0};
    for (size_t i = n - 1; i > 0; i--, c >>= 6)
        bytes[i] = (char)(0x80 | (c & 0x3f));
    bytes[0] = (char)(lead[n] | c);
    su_buf_add(out, bytes, n);
    return true;
}

/* The digits of \x, \u, \U or of an octal escape at *at. */
static bool read_code(const char **at, const char *end, size_t digits, uint32_t base, bool is_exact, struct su_buf *out)
{
    uint32_t value = 0;
    size_t n = 0;
    for (; n < digits && *at < end; n++, (*at)++) {
        const char *set = "0123456789abcdef",
                   *found = **at ? strchr(set, **at >= 'A' && **at <= 'F' ? **at | 0x20 : **at) : NULL;
        if (found == NULL || (uint32_t)(found - set) >= base)
            break;
        value = value * base + (uint32_t)(found - set);
    }
    return (n == digits || (!is_exact && n > 0)) && add_code_point(out, value);
}

static bool read_escape(const char **at, const char *end, struct su_buf *out)
{
    static const char letters[] = "\\'\"abfnrtv", values[] = "\\'\"\a\b\f\n\r\t\v";
    if (*at >= end)
        return false;
    char c = **at;
    const char *found = c ? strchr(letters, c) : NULL;
    if (c >= '0' && c <= '7')
        return read_code(at, end, 3, 8, false, out);
    (*at)++;
    if (found) {
        su_buf_addc(out, values[found - letters]);
        return true;
    }
    switch (c) {
    case '\n': return true;
    case 'x': return read_code(at, end, 2, 16, true, out);
    case 'u': return read_code(at, end, 4, 16, true, out);
    case 'U': return read_code(at, end, 8, 16, true, out);
    case 'N': return false;
    default:
        su_buf_addc(out, '\\');
        su_buf_addc(out, c);
        return true;
    }
}

static bool read_string(struct reader *r, bool is_raw, struct su_buf *out)
{
    struct su_str rest = {r->at, (size_t)(r->end - r->at)};
    bool is_closed;
    size_t len = python_string_length(rest, &is_closed);
    size_t quotes = rest.len >= 6 && rest.ptr[1] == rest.ptr[0] && rest.ptr[2] == rest.ptr[0] ? 3 : 1;
    if (!is_closed)
        return false;
    const char *at = r->at + quotes, *end = r->at + len - quotes;
    while (at < end) {
        if (*at != '\\' || is_raw)
            su_buf_addc(out, *at++);
        else if (at++, !read_escape(&at, end, out))
            return false;
    }
    r->at += len;
    return true;
}

/* One or more string literals side by side; NULL when they are not plain text. */
static json_t *read_strings(struct reader *r)
{
    SU_AUTO_BUF struct su_buf text = SU_BUF(16 << 20);
    for (;;) {
        skip_space(r);
        const char *at = r->at;
        while (at < r->end && at - r->at < 2 && *at && strchr("rRuU", *at))
            at++;
        if (at >= r->end || (*at != '"' && *at != '\''))
            break;
        bool is_raw = memchr(r->at, 'r', (size_t)(at - r->at)) || memchr(r->at, 'R', (size_t)(at - r->at));
        r->at = at;
        if (!read_string(r, is_raw, &text))
            return NULL;
    }
    struct su_str all = su_buf_str(&text);
    return text.failed ? NULL : json_stringn(all.ptr, all.len);
}

static json_t *read_integer(const char *text)
{
    bool is_negative = text[0] == '-';
    const char *digits = text + (text[0] == '-' || text[0] == '+');
    int base = 10;
    if (digits[0] == '0' && digits[1] && strchr("xXoObB", digits[1])) {
        base = (digits[1] | 0x20) == 'x' ? 16 : (digits[1] | 0x20) == 'o' ? 8 : 2;
        digits += 2;
    } else if (digits[0] == '0' && strspn(digits, "0") != strlen(digits)) {
        return NULL; /* 017 is no Python */
    }
    char *end;
    errno = 0;
    unsigned long long value = strtoull(digits, &end, base);
    if (*end || end == digits || errno || value > (unsigned long long)INT64_MAX)
        return NULL;
    return json_integer(is_negative ? -(json_int_t)value : (json_int_t)value);
}

static json_t *read_number(struct reader *r)
{
    char text[64];
    size_t n = 0;
    const char *at = r->at;
    for (; at < r->end && n < sizeof text - 1; at++) {
        bool is_sign = (*at == '-' || *at == '+') && (n == 0 || ((text[n - 1] | 0x20) == 'e' && !memchr(text, 'x', n)));
        if (*at == '_' && n > 0)
            continue;
        if (!is_sign && *at != '.' && !(python_is_name_byte(*at) && (unsigned char)*at < 0x80))
            break;
        text[n++] = *at;
    }
    text[n] = 0;
    json_t *value = read_integer(text);
    if (value == NULL) {
        char *end;
        bool is_real = n > 0 && strpbrk(text, ".eE") && strspn(text, "0123456789.eE+-") == n;
        double number = is_real ? strtod(text, &end) : NAN;
        if (!is_real || *end || !isfinite(number))
            return NULL;
        value = json_real(number);
    }
    r->at = at;
    return value;
}

static bool take_word(struct reader *r, const char *word)
{
    size_t len = strlen(word);
    if ((size_t)(r->end - r->at) < len || memcmp(r->at, word, len) != 0)
        return false;
    if (r->at + len < r->end && python_is_name_byte(r->at[len]))
        return false;
    r->at += len;
    return true;
}

/* Items up to `close`; ret_commas tells (x) from (x,). */
static json_t *read_items(struct reader *r, char close, size_t *ret_commas)
{
    SU_AUTO_JSON json_t *items = json_array();
    while (!take(r, close)) {
        json_t *item = read_value(r);
        if (item == NULL)
            return NULL;
        json_array_append_new(items, item);
        if (take(r, ','))
            ++*ret_commas;
        else if (take(r, close))
            break;
        else
            return NULL;
    }
    return su_take(items);
}

static json_t *read_dict(struct reader *r)
{
    SU_AUTO_JSON json_t *dict = json_object();
    while (!take(r, '}')) {
        SU_AUTO_JSON json_t *key = read_value(r);
        if (!json_is_string(key) || strlen(json_string_value(key)) != json_string_length(key) || !take(r, ':'))
            return NULL;
        json_t *value = read_value(r);
        if (value == NULL)
            return NULL;
        json_object_set_new(dict, json_string_value(key), value);
        if (!take(r, ',') && !(r->at < r->end && (skip_space(r), r->at < r->end) && *r->at == '}'))
            return NULL;
    }
    return su_take(dict);
}

static json_t *read_bracket(struct reader *r)
{
    char open = *r->at++;
    size_t commas = 0;
    if (open == '{')
        return read_dict(r);
    if (open == '[')
        return read_items(r, ']', &commas);
    SU_AUTO_JSON json_t *items = read_items(r, ')', &commas);
    if (items && json_array_size(items) == 1 && commas == 0)
        return json_incref(json_array_get(items, 0));
    return su_take(items);
}

static json_t *read_value(struct reader *r)
{
    skip_space(r);
    if (r->at >= r->end || r->depth >= PYTHON_DEPTH_MAX)
        return NULL;
    char c = *r->at;
    if (c == '[' || c == '(' || c == '{') {
        r->depth++;
        json_t *value = read_bracket(r);
        r->depth--;
        return value;
    }
    if (c == '-' || c == '+' || c == '.' || (c >= '0' && c <= '9'))
        return read_number(r);
    if (take_word(r, "True"))
        return json_true();
    if (take_word(r, "False"))
        return json_false();
    if (take_word(r, "None"))
        return json_null();
    const char *before = r->at;
    json_t *text = read_strings(r);
    if (text && r->at == before) { /* no string there at all */
        json_decref(text);
        return NULL;
    }
    return text;
}

bool python_parse(struct su_str text, json_t **ret)
{
    struct reader r = {text.ptr, text.ptr + text.len, 0};
    SU_AUTO_JSON json_t *value = read_value(&r);
    if (value == NULL)
        return false;
    skip_space(&r);
    if (r.at != r.end)
        return false;
    *ret = su_take(value);
    return true;
}

/* ---- writing ---- */

static uint32_t next_code_point(const unsigned char **at)
{
    const unsigned char *p = *at;
    size_t more = *p < 0x80 ? 0 : *p < 0xe0 ? 1 : *p < 0xf0 ? 2 : 3;
    uint32_t c = more == 0 ? *p : *p & (0x3fu >> more);
    for (size_t i = 1; i <= more; i++)
        c = c << 6 | (p[i] & 0x3f);
    *at = p + more + 1;
    return c;
}

static void write_string(struct su_buf *out, const json_t *value)
{
    const unsigned char *at = (const unsigned char *)json_string_value(value), *end = at + json_string_length(value);
    su_buf_addc(out, '"');
    while (at < end) {
        uint32_t c = next_code_point(&at);
        static const char named[] = "\"\\\n\r\t", letters[] = "\"\\nrt";
        const char *found = c && c < 0x80 ? strchr(named, (int)c) : NULL;
        if (found)
            su_buf_addf(out, "\\%c", letters[found - named]);
        else if (c >= 0x20 && c < 0x7f)
            su_buf_addc(out, (char)c);
        else
            su_buf_addf(out, c < 0x100 ? "\\x%02x" : c < 0x10000 ? "\\u%04x" : "\\U%08x", c);
    }
    su_buf_addc(out, '"');
}

static void write_list(struct su_buf *out, const json_t *list)
{
    size_t i;
    json_t *item;
    su_buf_addc(out, '[');
    json_array_foreach(list, i, item) {
        if (i > 0)
            su_buf_adds(out, ", ");
        python_write(out, item);
    }
    su_buf_addc(out, ']');
}

static void write_dict(struct su_buf *out, const json_t *dict)
{
    const char *key;
    json_t *value;
    bool is_first = true;
    su_buf_addc(out, '{');
    json_object_foreach((json_t *)(uintptr_t)dict, key, value) {
        if (!is_first)
            su_buf_adds(out, ", ");
        is_first = false;
        SU_AUTO_JSON json_t *name = json_string_nocheck(key);
        write_string(out, name);
        su_buf_adds(out, ": ");
        python_write(out, value);
    }
    su_buf_addc(out, '}');
}

void python_write(struct su_buf *out, const json_t *value)
{
    char text[NUMBER_TEXT];
    switch (json_typeof(value)) {
    case JSON_OBJECT: write_dict(out, value); break;
    case JSON_ARRAY: write_list(out, value); break;
    case JSON_STRING: write_string(out, value); break;
    case JSON_INTEGER: su_buf_addf(out, "%lld", (long long)json_integer_value(value)); break;
    case JSON_REAL: su_buf_adds(out, number_text(json_real_value(value), text)); break;
    case JSON_TRUE: su_buf_adds(out, "True"); break;
    case JSON_FALSE: su_buf_adds(out, "False"); break;
    case JSON_NULL: su_buf_adds(out, "None"); break;
    }
}
