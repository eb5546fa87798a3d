/* Strings and buffers: see str.h.  Layer base. */
#include "str.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct su_str su_str_of(const char *text)
{
    return text ? (struct su_str){text, strlen(text)} : (struct su_str){"", 0};
}

bool su_str_equal(struct su_str a, struct su_str b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

bool su_str_starts(struct su_str text, struct su_str prefix)
{
    return text.len >= prefix.len && (prefix.len == 0 || memcmp(text.ptr, prefix.ptr, prefix.len) == 0);
}

bool su_str_ends(struct su_str text, struct su_str suffix)
{
    return text.len >= suffix.len &&
           (suffix.len == 0 || memcmp(text.ptr + text.len - suffix.len, suffix.ptr, suffix.len) == 0);
}

static bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

struct su_str su_str_trim(struct su_str text)
{
    while (text.len && is_space(text.ptr[0]))
        text.ptr++, text.len--;
    while (text.len && is_space(text.ptr[text.len - 1]))
        text.len--;
    return text;
}

bool su_str_cut(struct su_str text, char at, struct su_str *ret_head, struct su_str *ret_tail)
{
    const char *found = text.len ? memchr(text.ptr, at, text.len) : NULL;
    if (!found) {
        *ret_head = text;
        *ret_tail = (struct su_str){"", 0};
        return false;
    }
    size_t head = (size_t)(found - text.ptr);
    *ret_tail = (struct su_str){found + 1, text.len - head - 1};
    *ret_head = (struct su_str){text.ptr, head};
    return true;
}

/* Length of the well-formed UTF-8 sequence at p (1–4), 0 when malformed (RFC 3629, table in section 4). */
static size_t utf8_sequence(const uint8_t *p, size_t left)
{
    static const struct { uint8_t first, last, second_min, second_max, length; } rows[] = {
        {0xC2, 0xDF, 0x80, 0xBF, 2}, {0xE0, 0xE0, 0xA0, 0xBF, 3}, {0xE1, 0xEC, 0x80, 0xBF, 3},
        {0xED, 0xED, 0x80, 0x9F, 3}, {0xEE, 0xEF, 0x80, 0xBF, 3}, {0xF0, 0xF0, 0x90, 0xBF, 4},
        {0xF1, 0xF3, 0x80, 0xBF, 4}, {0xF4, 0xF4, 0x80, 0x8F, 4}};
    if (p[0] < 0x80)
        return 1;
    for (size_t i = 0; i < SU_COUNT(rows); i++) {
        if (p[0] < rows[i].first || p[0] > rows[i].last)
            continue;
        if (left < rows[i].length || p[1] < rows[i].second_min || p[1] > rows[i].second_max)
            return 0;
        for (size_t k = 2; k < rows[i].length; k++)
            if ((p[k] & 0xC0) != 0x80)
                return 0;
        return rows[i].length;
    }
    return 0;
}

bool su_utf8_valid(struct su_str text)
{
    const uint8_t *p = (const uint8_t *)text.ptr, *end = p + text.len;
    while (p < end) {
        size_t length = utf8_sequence(p, (size_t)(end - p));
        if (!length)
            return false;
        p += length;
    }
    return true;
}

bool su_str_u64(struct su_str text, uint64_t max, uint64_t *ret)
{
    uint64_t value = 0;
    if (!text.len)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9')
            return false;
        if (__builtin_mul_overflow(value, 10u, &value) ||
            __builtin_add_overflow(value, (uint64_t)(text.ptr[i] - '0'), &value) || value > max)
            return false;
    }
    *ret = value;
    return true;
}

bool su_str_duration_ms(struct su_str text, uint64_t *ret)
{
    static const struct { const char *unit; uint64_t ms; } units[] = {
        {"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000}};
    size_t digits = 0;
    while (digits < text.len && text.ptr[digits] >= '0' && text.ptr[digits] <= '9')
        digits++;
    struct su_str unit = {text.ptr + digits, text.len - digits};
    uint64_t count;
    if (!su_str_u64((struct su_str){text.ptr, digits}, UINT32_MAX, &count))
        return false;
    for (size_t i = 0; i < SU_COUNT(units); i++)
        if (su_str_equal(unit, su_str_of(units[i].unit))) {
            *ret = count * units[i].ms;
            return true;
        }
    return false;
}

void su_buf_done(struct su_buf *buf)
{
    free(buf->ptr);
    *buf = (struct su_buf){.max = buf->max};
}

void su_buf_clear(struct su_buf *buf)
{
    buf->len = 0;
    buf->failed = false;
}

char *su_buf_room(struct su_buf *buf, size_t len)
{
    if (buf->failed || len > buf->max || buf->len > buf->max - len) {
        buf->failed = true;
        return NULL;
    }
    if (buf->len + len + 1 > buf->capacity) {
        size_t wanted = buf->capacity ? buf->capacity * 2 : 256;
        while (wanted < buf->len + len + 1)
            wanted *= 2;
        if (wanted > buf->max + 1)
            wanted = buf->max + 1;
        buf->ptr = su_realloc(buf->ptr, wanted);
        buf->capacity = wanted;
    }
    return buf->ptr + buf->len;
}

void su_buf_grew(struct su_buf *buf, size_t len)
{
    buf->len += len;
    su_assert(buf->len < buf->capacity);
    buf->ptr[buf->len] = '\0';
}

void su_buf_add(struct su_buf *buf, const void *data, size_t len)
{
    char *room = su_buf_room(buf, len);
    if (!room)
        return;
    if (len)
        memcpy(room, data, len);
    su_buf_grew(buf, len);
}

void su_buf_adds(struct su_buf *buf, const char *text) { su_buf_add(buf, text, strlen(text)); }
void su_buf_addc(struct su_buf *buf, char c) { su_buf_add(buf, &c, 1); }

void su_buf_addf(struct su_buf *buf, const char *format, ...)
{
    char small[256];
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int length = vsnprintf(small, sizeof small, format, args);
    if (length >= 0 && (size_t)length < sizeof small) {
        su_buf_add(buf, small, (size_t)length);
    } else if (length >= 0) {
        char *room = su_buf_room(buf, (size_t)length);
        if (room) {
            vsnprintf(room, (size_t)length + 1, format, again);
            su_buf_grew(buf, (size_t)length);
        }
    }
    va_end(again);
    va_end(args);
}

struct su_str su_buf_str(const struct su_buf *buf)
{
    return buf->ptr ? (struct su_str){buf->ptr, buf->len} : (struct su_str){"", 0};
}

char *su_buf_take(struct su_buf *buf, size_t *ret_len)
{
    if (buf->failed)
        return NULL;
    if (!buf->ptr)
        su_buf_add(buf, "", 0);
    if (ret_len)
        *ret_len = buf->len;
    char *taken = buf->ptr;
    *buf = (struct su_buf){.max = buf->max};
    return taken;
}

/* The C library's calloc passes by the thread's own cache and takes the arena's lock; for small sizes malloc does not. */
enum { CACHED_BYTES = 1024 };

void *su_alloc(size_t size)
{
    void *memory = size > CACHED_BYTES ? calloc(1, size) : malloc(size ? size : 1);
    if (!memory)
        abort();
    return size > CACHED_BYTES ? memory : memset(memory, 0, size);
}

void *su_realloc(void *old, size_t size)
{
    void *memory = realloc(old, size ? size : 1);
    if (!memory)
        abort();
    return memory;
}

char *su_strdup(const char *text) { return text ? su_strndup(text, strlen(text)) : NULL; }

char *su_strndup(const char *text, size_t len)
{
    char *copy = su_alloc(len + 1);
    if (len)
        memcpy(copy, text, len);
    return copy;
}

char *su_format(const char *format, ...)
{
    char *text = NULL;
    va_list args;
    va_start(args, format);
    int length = vasprintf(&text, format, args);
    va_end(args);
    if (length < 0)
        abort();
    return text;
}
