/* See scan.h.  Layer keep; pure. */
#include "keep/scan.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define REPLACEMENT "\xEF\xBF\xBD"

struct scanner { const unsigned char *at, *end; struct su_buf *out; int depth; };

static bool value(struct scanner *scanner);

static int peek(struct scanner *scanner) {
    while (scanner->at < scanner->end && (*scanner->at == ' ' || *scanner->at == '\n' || *scanner->at == '\t' || *scanner->at == '\r'))
        scanner->at++;
    return scanner->at < scanner->end ? *scanner->at : -1;
}

static void put(struct scanner *scanner, const void *data, size_t len) { su_buf_add(scanner->out, data, len); }

/* Length of the valid UTF-8 sequence at `at` (≥ 0x80 first), 0 when invalid (RFC 3629). */
static size_t sequence(const unsigned char *at, const unsigned char *end) {
    size_t len = *at >= 0xF0 ? 4 : *at >= 0xE0 ? 3 : 2;
    if (*at < 0xC2 || *at > 0xF4 || (size_t)(end - at) < len) return 0;
    for (size_t i = 1; i < len; i++)
        if ((at[i] & 0xC0) != 0x80) return 0;
    if ((*at == 0xE0 && at[1] < 0xA0) || (*at == 0xED && at[1] > 0x9F)) return 0;
    if ((*at == 0xF0 && at[1] < 0x90) || (*at == 0xF4 && at[1] > 0x8F)) return 0;
    return len;
}

static int hex4(const unsigned char *at, const unsigned char *end) {
    if (end - at < 4) return -1;
    int number = 0;
    for (int i = 0; i < 4; i++) {
        int c = at[i], digit = c >= '0' && c <= '9' ? c - '0' : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10 : -1;
        if (digit < 0) return -1;
        number = number * 16 + digit;
    }
    return number;
}

/* \uXXXX, at past the u. */
static bool unicode_escape(struct scanner *scanner) {
    const unsigned char *start = scanner->at;
    int unit = hex4(start, scanner->end);
    if (unit < 0) return false;
    scanner->at += 4;
    if (unit >= 0xD800 && unit <= 0xDBFF && scanner->end - scanner->at >= 6 && scanner->at[0] == '\\' && scanner->at[1] == 'u') {
        int low = hex4(scanner->at + 2, scanner->end);
        if (low >= 0xDC00 && low <= 0xDFFF) {
            scanner->at += 6;
            put(scanner, "\\u", 2);
            put(scanner, start, 10);
            return true;
        }
    }
    if (unit == 0 || (unit >= 0xD800 && unit <= 0xDFFF)) put(scanner, REPLACEMENT, 3);
    else {
        put(scanner, "\\u", 2);
        put(scanner, start, 4);
    }
    return true;
}

static bool escape(struct scanner *scanner) {
    if (scanner->at >= scanner->end) return false;
    unsigned char c = *scanner->at++;
    if (c == 'u') return unicode_escape(scanner);
    if (!c || !strchr("\"\\/bfnrt", c)) return false;
    char text[2] = {'\\', (char)c};
    put(scanner, text, 2);
    return true;
}

/* One byte that cannot be copied as it is. */
static bool odd_byte(struct scanner *scanner) {
    unsigned char c = *scanner->at;
    if (c >= 0x80) {
        size_t len = sequence(scanner->at, scanner->end);
        if (len) put(scanner, scanner->at, len);
        else put(scanner, REPLACEMENT, 3);
        scanner->at += len ? len : 1;
        return true;
    }
    scanner->at++;
    if (c == '\\') return escape(scanner);
    su_buf_addf(scanner->out, "\\u%04x", c ? c : 0xFFFD); /* a bare control character */
    return true;
}

static bool string(struct scanner *scanner) {
    scanner->at++;
    su_buf_addc(scanner->out, '"');
    for (;;) {
        const unsigned char *start = scanner->at;
        while (scanner->at < scanner->end && *scanner->at >= 0x20 && *scanner->at < 0x80 && *scanner->at != '"' && *scanner->at != '\\')
            scanner->at++;
        put(scanner, start, (size_t)(scanner->at - start));
        if (scanner->at >= scanner->end || scanner->out->failed) return false;
        if (*scanner->at == '"') break;
        if (!odd_byte(scanner)) return false;
    }
    scanner->at++;
    su_buf_addc(scanner->out, '"');
    return true;
}

static bool literal(struct scanner *scanner, const char *word, const char *written) {
    size_t len = strlen(word);
    if ((size_t)(scanner->end - scanner->at) < len || memcmp(scanner->at, word, len) != 0) return false;
    scanner->at += len;
    su_buf_adds(scanner->out, written);
    return true;
}

static size_t digits(const unsigned char *at, const unsigned char *end) {
    size_t count = 0;
    while (at + count < end && at[count] >= '0' && at[count] <= '9') count++;
    return count;
}

static bool is_past_double(const unsigned char *start, size_t len) {
    char text[400];
    if (len < sizeof text) {
        memcpy(text, start, len);
        text[len] = 0;
        return !isfinite(strtod(text, NULL));
    }
    return true;
}

static bool number(struct scanner *scanner) {
    const unsigned char *start = scanner->at, *at = start + (*start == '-');
    bool is_integer = true;
    size_t count = digits(at, scanner->end);
    if (!count || (count > 1 && *at == '0')) return literal(scanner, "-Infinity", "null");
    size_t integer_digits = count;
    at += count;
    if (at < scanner->end && *at == '.') {
        is_integer = false;
        if (!(count = digits(at + 1, scanner->end))) return false;
        at += 1 + count;
    }
    if (at < scanner->end && (*at | 32) == 'e') {
        is_integer = false;
        at += 1 + (at + 1 < scanner->end && (at[1] == '+' || at[1] == '-'));
        if (!(count = digits(at, scanner->end))) return false;
        at += count;
    }
    size_t len = (size_t)(at - start);
    scanner->at = at;
    if (is_past_double(start, len)) su_buf_adds(scanner->out, "null");
    else put(scanner, start, len);
    /* Readers keep integers in 64 bits: larger ones go on as reals. */
    const char *first = (const char *)start + (*start == '-');
    bool is_large = integer_digits > 19 || (integer_digits == 19 && strncmp(first, "9223372036854775807", 19) > 0);
    if (is_integer && is_large && !is_past_double(start, len)) su_buf_adds(scanner->out, ".0");
    return true;
}

static bool members(struct scanner *scanner, char close) {
    if (++scanner->depth > SCAN_DEPTH_MAX) return false;
    su_buf_addc(scanner->out, (char)*scanner->at++);
    for (bool is_first = true; peek(scanner) != close; is_first = false) {
        if (!is_first) {
            if (peek(scanner) != ',') return false;
            scanner->at++;
            su_buf_addc(scanner->out, ',');
        }
        if (close == '}') {
            if (peek(scanner) != '"' || !string(scanner) || peek(scanner) != ':') return false;
            scanner->at++;
            su_buf_addc(scanner->out, ':');
        }
        if (!value(scanner)) return false;
    }
    scanner->at++;
    su_buf_addc(scanner->out, close);
    scanner->depth--;
    return true;
}

static bool value(struct scanner *scanner) {
    switch (peek(scanner)) {
    case '{': return members(scanner, '}');
    case '[': return members(scanner, ']');
    case '"': return string(scanner);
    case 't': return literal(scanner, "true", "true");
    case 'f': return literal(scanner, "false", "false");
    case 'n': return literal(scanner, "null", "null");
    case 'N': return literal(scanner, "NaN", "null");
    case 'I': return literal(scanner, "Infinity", "null");
    case '-': case '0': case '1': case '2': case '3': case '4': case '5': case '6': case '7': case '8': case '9':
        return number(scanner);
    default: return false;
    }
}

bool scan_clean(struct su_str text, struct su_buf *out) {
    struct scanner scanner = {(const unsigned char *)text.ptr, (const unsigned char *)text.ptr + text.len, out, 0};
    return value(&scanner) && peek(&scanner) < 0 && !out->failed;
}

/* Past one value of cleaned text. */
static const char *skip(const char *at, const char *end) {
    int depth = 0;
    do {
        if (at >= end) return end;
        if (*at == '"') {
            for (at++; at < end && *at != '"'; at++)
                if (*at == '\\') at++;
        } else if (*at == '{' || *at == '[') depth++;
        else if (*at == '}' || *at == ']') depth--;
        at++;
        /* a bare word or number goes on to the next mark */
        while (depth == 0 && at < end && at[-1] != '"' && at[-1] != '}' && at[-1] != ']' && !strchr(",]}", *at)) at++;
    } while (depth > 0);
    return at;
}

bool scan_member(struct su_str object, const char *key, struct su_str *ret) {
    const char *at = object.ptr, *end = object.ptr + object.len;
    if (!object.len || *at != '{') return false;
    size_t key_len = strlen(key);
    for (at++; at < end && *at == '"';) {
        const char *name = at + 1, *after = skip(at, end);
        const char *start = after + 1, *stop = start < end ? skip(start, end) : end;
        if ((size_t)(after - 1 - name) == key_len && memcmp(name, key, key_len) == 0 && start < end) {
            *ret = (struct su_str){start, (size_t)(stop - start)};
            return true;
        }
        at = stop + 1;
    }
    return false;
}

struct su_str scan_inside(struct su_str value_text) {
    if (value_text.len < 2 || value_text.ptr[0] != '"') return SU_STR("");
    return (struct su_str){value_text.ptr + 1, value_text.len - 2};
}

/* Bytes of the unit (character, escape, surrogate pair) at `at`. */
static size_t unit_length(const char *at, const char *end) {
    unsigned char c = (unsigned char)*at;
    size_t len = 1;
    if (c == '\\') {
        len = at[1] == 'u' ? 6 : 2;
        bool is_high = len == 6 && (at[2] | 32) == 'd' && strchr("89abAB", at[3]);
        if (is_high && end - at >= 12) len = 12;
    } else if (c >= 0xF0) len = 4;
    else if (c >= 0xE0) len = 3;
    else if (c >= 0xC0) len = 2;
    return len > (size_t)(end - at) ? (size_t)(end - at) : len;
}

size_t scan_cut(struct su_str inside, size_t max) {
    if (inside.len <= max) return inside.len;
    const char *at = inside.ptr, *end = inside.ptr + inside.len, *last = inside.ptr + max;
    while (at < last) {
        size_t len = unit_length(at, end);
        if (at + len > last) break;
        at += len;
    }
    return (size_t)(at - inside.ptr);
}
