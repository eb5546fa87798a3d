/* A table as rows in the order of their times: see timeline.h.  Layer cli; main thread. */
#include "cli/timeline.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "aggregate/value.h"
#include "base/clock.h"

enum { SEARCHED_ROWS = 1000, ROWS_MAX = 200000000 };

struct row { int64_t time_us; uint64_t at; uint32_t len; bool is_filled; };

struct timeline {
    const char *name;
    char *column;
    bool is_searching, has_time;
    int64_t last_us;
    struct row *rows;
    size_t count, room, filled, moved;
    FILE *spool;
    uint64_t spooled;
    const char *text;       /* the spool, mapped */
    char *changed;          /* the row handed out last, when it had to be changed */
    double unit;            /* microseconds of one in a column of numbers; 0: the column holds text */
};

/* ------------------------------------------------------------------- times */

static double unit_of(double number)
{
    double size = fabs(number);
    return size < 1e11 ? 1e6 : size < 1e14 ? 1e3 : size < 1e17 ? 1 : 1e-3;
}

/* As streams read times (aggregate/stream.h, "auto"). */
static bool read_time(const json_t *value, int64_t *ret_us, double *ret_unit)
{
    if (json_is_string(value)) {
        struct value read = value_of_string(json_string_value(value), json_string_length(value));
        *ret_unit = 0;
        *ret_us = read.integer;
        return read.class == VALUE_DATETIME;
    }
    if (!json_is_number(value))
        return false;
    double number = json_number_value(value);
    *ret_unit = unit_of(number);
    double us = number * *ret_unit;
    if (!(fabs(us) < 9e18))
        return false;
    *ret_us = json_is_integer(value) && *ret_unit == 1 ? json_integer_value(value) : llround(us);
    return true;
}

/* The object that holds the column, and its name there. */
static json_t *find_holder(json_t *row, const char *column, const char **ret_name)
{
    *ret_name = column;
    if (!json_is_object(row) || json_object_get(row, column))
        return row;
    const char *dot = strchr(column, '.');
    if (!dot)
        return row;
    SU_AUTO_FREE char *head = su_strndup(column, (size_t)(dot - column));
    json_t *inner = json_object_get(row, head);
    return json_is_object(inner) ? find_holder(inner, dot + 1, ret_name) : row;
}

static bool says_time(const char *name)
{
    static const char *const words[] = {"time", "timestamp", "ts", "date", "datetime", "at", "when", "t", "epoch", "created_at",
                                        "time_ms", "time_us", "time_ns", "_time", "event_time", "timestamp_ms"};
    for (size_t i = 0; i < SU_COUNT(words); i++)
        if (strcasecmp(name, words[i]) == 0)
            return true;
    return false;
}

static void search_column(struct timeline *timeline, const json_t *row)
{
    const char *name;
    json_t *value;
    int64_t us;
    double unit;
    json_object_foreach((json_t *)(uintptr_t)row, name, value) {
        if (!read_time(value, &us, &unit) || (unit != 0 && (!says_time(name) || us < 100000000000000)))
            continue;
        timeline->column = su_strdup(name);
        timeline->is_searching = false;
        return;
    }
}

/* ----------------------------------------------------------------- reading */

static bool fail_no_times(const struct timeline *timeline, struct su_err *err)
{
    if (timeline->column)
        su_fail(err, SU_INVALID, "%s: no row has a time in \"%s\"", timeline->name, timeline->column);
    else
        su_fail(err, SU_INVALID, "%s: no column holds times", timeline->name);
    return su_hint(err, "--time COLUMN names one; --rate N sends N rows a second whatever they hold");
}

static void note_time(struct timeline *timeline, json_t *object, struct row *row)
{
    const char *name;
    double unit;
    if (timeline->is_searching && timeline->count < SEARCHED_ROWS)
        search_column(timeline, object);
    row->is_filled = true;
    row->time_us = timeline->last_us;
    if (!timeline->column)
        return;
    json_t *holder = find_holder(object, timeline->column, &name);
    if (!read_time(json_object_get(holder, name), &row->time_us, &unit)) {
        row->time_us = timeline->last_us;
        return;
    }
    row->is_filled = false;
    for (size_t i = 0; !timeline->has_time && i < timeline->count; i++)
        timeline->rows[i].time_us = row->time_us;
    if (!timeline->has_time)
        timeline->unit = unit;
    timeline->moved += timeline->has_time && row->time_us < timeline->last_us;
    timeline->has_time = true;
    timeline->last_us = row->time_us;
}

static bool take_row(void *arg, struct su_str text, uint64_t number, struct su_err *err)
{
    struct timeline *timeline = arg;
    bool wants_time = timeline->is_searching || timeline->column;
    SU_AUTO_JSON json_t *object = NULL;
    if (wants_time && (!su_json_parse(text, "row", &object, err) || !json_is_object(object))) {
        if (object)
            su_fail(err, SU_INVALID, "not a JSON object");
        return su_prefix(err, "%s, row %llu", timeline->name, (unsigned long long)number);
    }
    if (timeline->count == ROWS_MAX)
        return su_fail(err, SU_LIMIT, "%s has more than %d million rows", timeline->name, ROWS_MAX / 1000000);
    if (timeline->count == timeline->room) {
        timeline->room = timeline->room ? 2 * timeline->room : 1024;
        timeline->rows = su_realloc(timeline->rows, timeline->room * sizeof *timeline->rows);
    }
    struct row row = {.at = timeline->spooled, .len = (uint32_t)text.len};
    if (wants_time)
        note_time(timeline, object, &row);
    timeline->filled += wants_time && row.is_filled;
    timeline->rows[timeline->count++] = row;
    timeline->spooled += text.len;
    return fwrite(text.ptr, 1, text.len, timeline->spool) == text.len || su_fail_errno(err, errno, "writing a temporary file");
}

static FILE *open_spool(void)
{
    const char *folder = getenv("TMPDIR");
    int fd = open(folder && *folder ? folder : "/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    return fd < 0 ? NULL : fdopen(fd, "w+");
}

static bool map_spool(struct timeline *timeline, struct su_err *err)
{
    if (fflush(timeline->spool) != 0)
        return su_fail_errno(err, errno, "writing a temporary file");
    if (!timeline->spooled)
        return true;
    void *text = mmap(NULL, timeline->spooled, PROT_READ, MAP_PRIVATE, fileno(timeline->spool), 0);
    if (text == MAP_FAILED)
        return su_fail_errno(err, errno, "reading a temporary file");
    timeline->text = text;
    return true;
}

/* By time; rows of one time keep their order. */
static int compare_rows(const void *a, const void *b)
{
    const struct row *left = a, *right = b;
    if (left->time_us != right->time_us)
        return left->time_us < right->time_us ? -1 : 1;
    return left->at < right->at ? -1 : left->at > right->at;
}

static bool read_all(struct timeline *timeline, int fd, enum records_format format, struct su_err *err)
{
    enum records_state state;
    bool wants_time = timeline->is_searching || timeline->column;
    RECORDS_AUTO struct records *records = records_new(format, fd, timeline->name);
    do
        if (!records_read(records, -1, take_row, timeline, &state, err))
            return false;
    while (state != RECORDS_END);
    if (!timeline->count)
        return su_fail(err, SU_INVALID, "%s holds no rows", timeline->name);
    if (wants_time && !timeline->has_time)
        return fail_no_times(timeline, err);
    if (timeline->moved)
        qsort(timeline->rows, timeline->count, sizeof *timeline->rows, compare_rows);
    return map_spool(timeline, err);
}

bool timeline_open(int fd, enum records_format format, const char *name, const char *time_column, struct timeline **ret,
                   struct su_err *err)
{
    struct timeline *timeline = su_alloc(sizeof *timeline);
    timeline->name = name;
    timeline->is_searching = time_column == NULL;
    timeline->column = time_column && *time_column ? su_strdup(time_column) : NULL;
    timeline->spool = open_spool();
    bool done = timeline->spool ? read_all(timeline, fd, format, err) : su_fail_errno(err, errno, "making a temporary file");
    if (done)
        *ret = timeline;
    else
        timeline_close(timeline);
    return done;
}

void timeline_close(struct timeline *timeline)
{
    if (!timeline)
        return;
    if (timeline->text)
        munmap((void *)(uintptr_t)timeline->text, timeline->spooled);
    if (timeline->spool)
        fclose(timeline->spool);
    free(timeline->rows);
    free(timeline->column);
    free(timeline->changed);
    free(timeline);
}

size_t timeline_count(const struct timeline *timeline) { return timeline->count; }
const char *timeline_column(const struct timeline *timeline) { return timeline->column; }
size_t timeline_filled(const struct timeline *timeline) { return timeline->filled; }
size_t timeline_moved(const struct timeline *timeline) { return timeline->moved; }

int64_t timeline_time(const struct timeline *timeline, size_t row)
{
    su_assert(row < timeline->count);
    return timeline->rows[row].time_us;
}

/* In the column's own kind: text, or a number of its unit. */
static json_t *time_value(const struct timeline *timeline, int64_t us)
{
    if (timeline->unit == 0) {
        char text[SU_TIME_TEXT_US];
        return json_string(su_time_text_us(us, text));
    }
    if (timeline->unit == 1e6)
        return json_real((double)us / 1e6);
    return json_integer(timeline->unit == 1e3 ? us / 1000 : timeline->unit == 1 ? us : us * 1000);
}

bool timeline_row(struct timeline *timeline, size_t at, int64_t as_us, struct su_str *ret, struct su_err *err)
{
    su_assert(at < timeline->count);
    const struct row *row = &timeline->rows[at];
    *ret = (struct su_str){timeline->text + row->at, row->len};
    if (!timeline->column || (as_us == INT64_MIN && !row->is_filled))
        return true;
    SU_AUTO_JSON json_t *object = NULL;
    const char *name;
    if (!su_json_parse(*ret, "row", &object, err))
        return false;
    json_t *holder = find_holder(object, timeline->column, &name);
    json_object_set_new(holder, name, time_value(timeline, as_us == INT64_MIN ? row->time_us : as_us));
    free(timeline->changed);
    timeline->changed = su_json_text(object);
    *ret = su_str_of(timeline->changed);
    return true;
}
