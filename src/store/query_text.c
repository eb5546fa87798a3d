/* Text functions in place of SQLite's own, whose work can be the product of two lengths within one step, where no time
 * limit reaches it: like, glob, instr, replace, trim.  Same results.  Layer store. */
#include "query_private.h"

#include <string.h>

static struct su_str text_of(sqlite3_value *value)
{
    const char *ptr = (const char *)sqlite3_value_text(value);
    return (struct su_str){ptr ? ptr : "", ptr ? (size_t)sqlite3_value_bytes(value) : 0};
}

static bool any_is_null(int count, sqlite3_value **values)
{
    for (int i = 0; i < count; i++)
        if (sqlite3_value_type(values[i]) == SQLITE_NULL)
            return true;
    return false;
}

/* A code point; a byte that begins none stands for itself. */
static uint32_t next_point(struct su_str text, size_t *at)
{
    unsigned char byte = (unsigned char)text.ptr[(*at)++];
    if (byte < 0xc0)
        return byte;
    uint32_t point = byte;
    while (*at < text.len && ((unsigned char)text.ptr[*at] & 0xc0) == 0x80)
        point = point << 8 | (unsigned char)text.ptr[(*at)++];
    return point;
}

static uint32_t lower(uint32_t point) { return point >= 'A' && point <= 'Z' ? point + 32 : point; }

/* ------------------------------------------------------------ like, glob
 *
 * Only the last wildcard is ever gone back to: what stood before it matched as
 * early as possible, so trying it later finds nothing more. */

struct pattern {
    struct su_str text;
    uint32_t many, one, escape;
    bool is_glob, ignores_case;
};
enum match { MATCH_NO, MATCH_YES, MATCH_LATE };

/* [a-z], [^x]: at stands after the bracket; false also when it is never closed. */
static bool set_holds(struct su_str text, size_t *at, uint32_t point)
{
    bool is_inverted = *at < text.len && text.ptr[*at] == '^', has = false, is_first = true;
    uint32_t before = 0;
    *at += is_inverted;
    for (; *at < text.len; is_first = false) {
        uint32_t next = next_point(text, at);
        if (next == ']' && !is_first)
            return has != is_inverted;
        if (next == '-' && before && *at < text.len && text.ptr[*at] != ']') {
            next = next_point(text, at);
            has = has || (point >= before && point <= next);
            before = 0;
        } else {
            has = has || point == next;
            before = next;
        }
    }
    return false;
}

/* Does the pattern's element at *at take this point?  Steps over it. */
static bool takes(const struct pattern *pattern, size_t *at, uint32_t point)
{
    uint32_t wanted = next_point(pattern->text, at);
    if (pattern->escape && wanted == pattern->escape) {
        if (*at >= pattern->text.len)
            return false;
        wanted = next_point(pattern->text, at);
    } else if (wanted == pattern->one)
        return true;
    else if (pattern->is_glob && wanted == '[')
        return set_holds(pattern->text, at, point);
    return pattern->ignores_case ? lower(wanted) == lower(point) : wanted == point;
}

static bool is_many(const struct pattern *pattern, size_t at)
{
    return at < pattern->text.len && pattern->many != pattern->escape &&
           (unsigned char)pattern->text.ptr[at] == pattern->many;
}

static enum match matches(const struct pattern *pattern, struct su_str text, struct query *query)
{
    size_t at = 0, in = 0, again_at = SIZE_MAX, again_in = 0;
    for (uint64_t steps = 1; in < text.len; steps++) {
        if (steps % (1u << 20) == 0 && query_is_late(query))
            return MATCH_LATE;
        if (is_many(pattern, at)) {
            again_at = ++at;
            again_in = in;
            continue;
        }
        size_t next_at = at, next_in = in;
        if (at < pattern->text.len && takes(pattern, &next_at, next_point(text, &next_in))) {
            at = next_at;
            in = next_in;
        } else if (again_at == SIZE_MAX)
            return MATCH_NO;
        else {
            next_point(text, &again_in);
            at = again_at;
            in = again_in;
        }
    }
    while (is_many(pattern, at))
        at++;
    return at == pattern->text.len ? MATCH_YES : MATCH_NO;
}

static void match(sqlite3_context *context, int count, sqlite3_value **values, bool is_glob)
{
    enum { PATTERN_MAX = 1000 };
    struct query *query = sqlite3_user_data(context);
    if (any_is_null(count, values))
        return;
    struct pattern pattern = {.text = text_of(values[0]),
                              .is_glob = is_glob,
                              .ignores_case = !is_glob,
                              .many = is_glob ? '*' : '%',
                              .one = is_glob ? '?' : '_'};
    if (pattern.text.len > PATTERN_MAX) {
        sqlite3_result_error(context, "LIKE or GLOB pattern too long: at most 1000 bytes", -1);
        return;
    }
    if (count == 3) {
        struct su_str escape = text_of(values[2]);
        size_t at = 0;
        pattern.escape = escape.len ? next_point(escape, &at) : 0;
        if (!escape.len || at != escape.len) {
            sqlite3_result_error(context, "ESCAPE expression must be a single character", -1);
            return;
        }
        if (pattern.escape == pattern.one)
            pattern.one = 0;
    }
    enum match outcome = matches(&pattern, text_of(values[1]), query);
    if (outcome == MATCH_LATE)
        sqlite3_result_error_code(context, SQLITE_INTERRUPT);
    else
        sqlite3_result_int(context, outcome == MATCH_YES);
}

static void like(sqlite3_context *context, int count, sqlite3_value **values) { match(context, count, values, false); }
static void glob(sqlite3_context *context, int count, sqlite3_value **values) { match(context, count, values, true); }

/* ------------------------------------------------- instr, replace, trim */

static int64_t points(struct su_str text)
{
    int64_t count = 0;
    for (size_t i = 0; i < text.len; i++)
        count += ((unsigned char)text.ptr[i] & 0xc0) != 0x80;
    return count;
}

static void instr(sqlite3_context *context, int count, sqlite3_value **values)
{
    if (any_is_null(count, values))
        return;
    bool is_bytes = sqlite3_value_type(values[0]) == SQLITE_BLOB && sqlite3_value_type(values[1]) == SQLITE_BLOB;
    struct su_str text = text_of(values[0]), part = text_of(values[1]);
    const char *found = part.len ? memmem(text.ptr, text.len, part.ptr, part.len) : text.ptr;
    size_t before = found ? (size_t)(found - text.ptr) : 0;
    sqlite3_result_int64(context,
                         !found ? 0 : (is_bytes ? (int64_t)before : points((struct su_str){text.ptr, before})) + 1);
}

static void replace(sqlite3_context *context, int count, sqlite3_value **values)
{
    if (any_is_null(count, values))
        return;
    struct su_str text = text_of(values[0]), part = text_of(values[1]), with = text_of(values[2]);
    if (!part.len) {
        sqlite3_result_value(context, values[0]);
        return;
    }
    SU_AUTO_BUF struct su_buf out = SU_BUF(QUERY_VALUE_MAX);
    const char *at = text.ptr, *end = text.ptr + text.len, *found;
    while (!out.failed && (found = memmem(at, (size_t)(end - at), part.ptr, part.len))) {
        su_buf_add(&out, at, (size_t)(found - at));
        su_buf_add(&out, with.ptr, with.len);
        at = found + part.len;
    }
    su_buf_add(&out, at, (size_t)(end - at));
    if (out.failed)
        sqlite3_result_error_toobig(context);
    else
        sqlite3_result_text(context, out.ptr ? out.ptr : "", (int)out.len, SQLITE_TRANSIENT);
}

enum { TRIM_LEFT = 1, TRIM_RIGHT = 2, TRIM_SET = 256 };
static const int sides[] = {TRIM_LEFT, TRIM_RIGHT, TRIM_LEFT | TRIM_RIGHT};

static bool holds(struct su_str set, uint32_t point)
{
    for (size_t at = 0; at < set.len;)
        if (next_point(set, &at) == point)
            return true;
    return false;
}

static void trim(sqlite3_context *context, int count, sqlite3_value **values)
{
    if (any_is_null(count, values))
        return;
    int side = *(const int *)sqlite3_user_data(context);
    struct su_str text = text_of(values[0]), set = count == 2 ? text_of(values[1]) : SU_STR(" ");
    if (set.len > TRIM_SET) {
        sqlite3_result_error(context, "trim: at most 256 bytes of characters to take off", -1);
        return;
    }
    while ((side & TRIM_LEFT) && text.len) {
        size_t step = 0;
        if (!holds(set, next_point(text, &step)))
            break;
        text.ptr += step;
        text.len -= step;
    }
    while ((side & TRIM_RIGHT) && text.len) {
        size_t last = text.len - 1, end;
        while (last > 0 && ((unsigned char)text.ptr[last] & 0xc0) == 0x80)
            last--;
        end = last;
        if (!holds(set, next_point(text, &end)))
            break;
        text.len = last;
    }
    sqlite3_result_text(context, text.ptr, (int)text.len, SQLITE_TRANSIENT);
}

/* ------------------------------------------------------------------- times
 *
 * How _time compares: 20:30:00Z and 20:30:00.000000Z are the same moment, though not the same text. */

static struct su_str moment(const void *ptr, int len)
{
    struct su_str text = {ptr, (size_t)len};
    text.len -= text.len > 0 && text.ptr[text.len - 1] == 'Z';
    if (!memchr(text.ptr, '.', text.len))
        return text;
    while (text.len && text.ptr[text.len - 1] == '0')
        text.len--;
    text.len -= text.len && text.ptr[text.len - 1] == '.';
    return text;
}

static int compare_times(void *arg, int a_len, const void *a_ptr, int b_len, const void *b_ptr)
{
    struct su_str a = moment(a_ptr, a_len), b = moment(b_ptr, b_len);
    size_t len = a.len < b.len ? a.len : b.len;
    int order = len ? memcmp(a.ptr, b.ptr, len) : 0;
    return order ? order : (a.len > b.len) - (a.len < b.len);
}

typedef void text_fn(sqlite3_context *, int, sqlite3_value **);

bool query_text_functions_add(struct query *query, struct su_err *err)
{
    const struct {
        const char *name;
        int count;
        text_fn *run;
        const void *data;
    } rows[] = {
        {"like", 2, like, query},      {"like", 3, like, query},       {"glob", 2, glob, query},
        {"instr", 2, instr, query},    {"replace", 3, replace, query}, {"ltrim", 1, trim, &sides[0]},
        {"ltrim", 2, trim, &sides[0]}, {"rtrim", 1, trim, &sides[1]},  {"rtrim", 2, trim, &sides[1]},
        {"trim", 1, trim, &sides[2]},  {"trim", 2, trim, &sides[2]},
    };
    if (sqlite3_create_collation(query->handle, QUERY_TIME_COLLATION, SQLITE_UTF8, NULL, compare_times) != SQLITE_OK)
        return su_fail(err, SU_INTERNAL, "collation: %s", sqlite3_errmsg(query->handle));
    for (size_t i = 0; i < SU_COUNT(rows); i++)
        if (sqlite3_create_function_v2(query->handle, rows[i].name, rows[i].count,
                                       SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_INNOCUOUS,
                                       (void *)(uintptr_t)rows[i].data, rows[i].run, NULL, NULL, NULL) != SQLITE_OK)
            return su_fail(err, SU_INTERNAL, "function %s: %s", rows[i].name, sqlite3_errmsg(query->handle));
    return true;
}
