/* Previews of JSON and NDJSON.  Layer aggregate; see profile.h. */
#include <string.h>
#include "profile_private.h"

enum { SAMPLE_BYTES = 256 << 10 };

struct json_pass {
    struct profile *profile;
    struct json_rows *rows;
    bool is_array, is_done;
    uint64_t bad;           /* lines that were no JSON */
};

static void skip_space(struct profile *profile, bool is_array)
{
    for (; profile->at < profile->end; profile->at++) {
        char c = profile->buffer[profile->at];
        if (c != ' ' && c != '\n' && c != '\t' && c != '\r' && !(is_array && c == ','))
            return;
    }
}

static void take_sample(struct json_pass *pass, size_t used)
{
    struct profile *profile = pass->profile;
    if (json_array_size(profile->sample) == PROFILE_SAMPLE_ROWS || profile->sample_bytes > SAMPLE_BYTES)
        return;
    profile->sample_bytes += used;
    json_array_append_new(profile->sample, json_rows_sample(pass->rows, profile->buffer + profile->at));
}

/* Past the line of a row that is no JSON. */
static bool skip_line(struct profile *profile, struct su_err *err)
{
    for (;;) {
        char *text = profile->buffer + profile->at, *end = memchr(text, '\n', profile_left(profile));
        if (end != NULL) {
            profile->at += (size_t)(end - text) + 1;
            return true;
        }
        profile->at = profile->end;
        if (profile->is_last)
            return true;
        bool is_full;
        if (!profile_fill(profile, &is_full, err))
            return false;
    }
}

static bool read_bad(struct json_pass *pass, struct su_err *err)
{
    struct profile *profile = pass->profile;
    unsigned long long row = (unsigned long long)(json_rows_count(pass->rows) + pass->bad + 1);
    if (pass->bad == 0)
        profile_warn(profile, "row %llu is not valid JSON: %s%s", row, json_rows_fault(pass->rows),
                     pass->is_array ? "; nothing after it was read" : "");
    pass->bad++;
    if (pass->is_array) {
        pass->is_done = profile->is_partial = true;
        return true;
    }
    return skip_line(profile, err);
}

static bool read_more(struct json_pass *pass, struct su_err *err)
{
    struct profile *profile = pass->profile;
    bool is_full;
    if (!profile_fill(profile, &is_full, err))
        return false;
    if (is_full) {
        profile_warn(profile, "row %llu is longer than %zu MiB: nothing from it on was read",
                     (unsigned long long)(json_rows_count(pass->rows) + pass->bad + 1), profile->record_max >> 20);
        pass->is_done = profile->is_partial = true;
    }
    return true;
}

/* One row, or what stands in its place. */
static bool read_row(struct json_pass *pass, struct su_err *err)
{
    struct profile *profile = pass->profile;
    skip_space(profile, pass->is_array);
    if (profile_left(profile) == 0) {
        pass->is_done = profile->is_last;
        bool is_full;
        if (pass->is_done && pass->is_array) {
            profile_warn(profile, "the list has no end");
            profile->is_partial = true;
        }
        return pass->is_done || profile_fill(profile, &is_full, err);
    }
    if (pass->is_array && profile->buffer[profile->at] == ']') {
        pass->is_done = true;
        return true;
    }
    bool is_last;
    size_t used, window = profile_window(profile, profile->record_max, &is_last);
    switch (json_rows_read(pass->rows, profile->buffer + profile->at, window, is_last, &used)) {
    case JSON_ROWS_ROW:
        take_sample(pass, used);
        profile->at += used;
        return true;
    case JSON_ROWS_MORE:
        return read_more(pass, err);
    case JSON_ROWS_BAD:
        return read_bad(pass, err);
    }
    return true;
}

/* The first value decides whether this is JSON at all; nothing of the buffer is used or changed. */
static bool looks_like_json(struct profile *profile, bool *ret_is_array, bool *ret_looks, struct su_err *err)
{
    size_t start = profile->at, used;
    skip_space(profile, false);
    char first = profile_left(profile) > 0 ? profile->buffer[profile->at] : '\0';
    *ret_is_array = first == '[';
    *ret_looks = first == '{' || first == '[';
    if (*ret_looks && profile->options->hint == PROFILE_UNKNOWN) {
        struct json_rows *probe = json_rows_new(0, 1);
        size_t at = profile->at + *ret_is_array;
        while (at < profile->end && strchr(" \n\t\r", profile->buffer[at]) != NULL)
            at++;
        bool is_empty_list = *ret_is_array && at < profile->end && profile->buffer[at] == ']';
        SU_AUTO_FREE char *copy = su_alloc(profile->end - at + CSV_PADDING);
        memcpy(copy, profile->buffer + at, profile->end - at);
        *ret_looks = is_empty_list || json_rows_read(probe, copy, profile->end - at, profile->is_last, &used) != JSON_ROWS_BAD;
        json_rows_free(probe);
    }
    if (!*ret_looks)
        profile->at = start;
    (void)err;
    return true;
}

static void finish(struct json_pass *pass, json_t *json)
{
    struct profile *profile = pass->profile;
    uint64_t rows = json_rows_count(pass->rows);
    bool is_lines = !pass->is_array && (rows + pass->bad > 1 || profile->options->hint == PROFILE_NDJSON);
    if (pass->bad > 1)
        profile_warn(profile, "%llu lines are not valid JSON and were left out", (unsigned long long)pass->bad);
    if (json_rows_dropped(pass->rows))
        profile_warn(profile, "only the first %d columns are described", PROFILE_COLUMNS_MAX);
    json_object_set_new(json, "kind", json_string(is_lines ? "ndjson" : "json"));
    json_object_set_new(json, "rows", json_integer((json_int_t)rows));
    json_object_set_new(json, "columns", json_rows_json(pass->rows));
    size_t i;
    json_t *row;
    json_array_foreach (profile->sample, i, row)
        while (json_array_size(row) < json_rows_columns(pass->rows))
            json_array_append_new(row, json_null());
}

bool profile_json(struct profile *profile, json_t *json, bool *ret_is_it, struct su_err *err)
{
    struct json_pass pass = {.profile = profile};
    if (!looks_like_json(profile, &pass.is_array, ret_is_it, err))
        return false;
    if (!*ret_is_it)
        return true;
    pass.rows = json_rows_new(profile->options->seed, PROFILE_COLUMNS_MAX);
    profile->at += pass.is_array;
    bool ok = true;
    while (ok && !pass.is_done)
        ok = read_row(&pass, err);
    if (ok)
        finish(&pass, json);
    json_rows_free(pass.rows);
    return ok;
}
