/* From bytes to a preview: see profile.h.  Layer aggregate. */
#include <stdlib.h>
#include <string.h>
#include "profile_private.h"

enum { BUFFER_FIRST = 256 << 10, TEXT_ROOM = 16 /* decoder_read wants it */, SLACK = 64, LINE_SAMPLE = 400, RECORD_MAX = 16 << 20 };

static bool name_ends(struct su_str name, const char *end)
{
    struct su_str suffix = su_str_of(end);
    return name.len >= suffix.len && strncasecmp(name.ptr + name.len - suffix.len, end, suffix.len) == 0;
}

enum profile_hint profile_hint_of(const char *name, const char *type)
{
    static const struct { const char *end, *type; enum profile_hint hint; } known[] = {
        {".csv", "text/csv", PROFILE_CSV}, {".tsv", "text/tab-separated-values", PROFILE_CSV},
        {".ndjson", "application/x-ndjson", PROFILE_NDJSON}, {".jsonl", "application/jsonl", PROFILE_NDJSON},
        {".json", "application/json", PROFILE_JSON}, {".md", "text/markdown", PROFILE_TEXT}, {".html", "text/html", PROFILE_TEXT},
        {".py", "text/x-python", PROFILE_TEXT}, {".log", "text/x-log", PROFILE_TEXT}};
    struct su_str bare = su_str_of(name);
    if (name_ends(bare, ".gz"))
        bare.len -= 3;
    for (size_t i = 0; i < SU_COUNT(known); i++)
        if (name_ends(bare, known[i].end))
            return known[i].hint;
    struct su_str media, parameters;
    su_str_cut(su_str_of(type), ';', &media, &parameters);
    media = su_str_trim(media);
    for (size_t i = 0; i < SU_COUNT(known); i++)
        if (media.len == strlen(known[i].type) && strncasecmp(media.ptr, known[i].type, media.len) == 0)
            return known[i].hint;
    return PROFILE_UNKNOWN;
}

void profile_warn(struct profile *profile, const char *format, ...)
{
    char text[400];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    json_array_append_new(profile->warnings, json_string(text));
}

/* --- the buffer ------------------------------------------------------- */

static void make_room(struct profile *profile, bool *ret_is_full)
{
    size_t left = profile_left(profile);
    if (profile->at > 0) {
        memmove(profile->buffer, profile->buffer + profile->at, left);
        profile->at = 0;
        profile->end = left;
    }
    *ret_is_full = profile->end >= profile->record_max;
    if (profile->capacity - profile->end >= TEXT_ROOM || *ret_is_full)
        return;
    size_t most = profile->record_max + SLACK;
    profile->capacity = profile->capacity * 2 < most ? profile->capacity * 2 : most;
    profile->buffer = su_realloc(profile->buffer, profile->capacity + CSV_PADDING);
}

static bool check_stop(const struct profile *profile, struct su_err *err)
{
    const atomic_bool *stop = profile->options->stop;
    return stop == NULL || !atomic_load(stop) || su_fail(err, SU_CANCELLED, "the server is stopping");
}

static void stop_reading(struct profile *profile)
{
    profile->is_last = profile->is_partial = true;
}

bool profile_fill(struct profile *profile, bool *ret_is_full, struct su_err *err)
{
    uint64_t text_max = profile->options->text_max ? profile->options->text_max : (uint64_t)64 << 30;
    *ret_is_full = profile->is_last && profile_left(profile) >= profile->record_max;
    if (profile->is_last)
        return true;
    make_room(profile, ret_is_full);
    if (*ret_is_full)
        return true;
    if (!check_stop(profile, err))
        return false;
    size_t room = profile->capacity - profile->end;
    while (room >= TEXT_ROOM && !profile->is_last) {
        size_t got;
        if (!decoder_read(profile->decoder, profile->buffer + profile->end, room, &got, err)) {
            if (!decoder_is_gzip(profile->decoder) || (err->code != SU_LIMIT && err->code != SU_INVALID))
                return false;
            profile_warn(profile, "%s; what came before was read", err->message);
            stop_reading(profile);
            break;
        }
        profile->is_last |= got == 0;
        profile->end += got;
        profile->text_bytes += got;
        room -= got;
        if (profile->text_bytes >= text_max) {
            profile_warn(profile, "only the first %llu bytes were read", (unsigned long long)profile->text_bytes);
            stop_reading(profile);
        }
    }
    memset(profile->buffer + profile->end, 0, CSV_PADDING);
    return true;
}

/* --- text and the rest ------------------------------------------------ */

static void sample_line(struct profile *profile, const char *line, size_t len)
{
    if (json_array_size(profile->sample) == PROFILE_SAMPLE_ROWS)
        return;
    if (len > 0 && line[len - 1] == '\r')
        len--;
    json_t *text = json_stringn(line, value_cut(line, len, LINE_SAMPLE));
    json_array_append_new(profile->sample, json_pack("[o]", text ? text : json_string("")));
}

/* Lines are counted; a line that fills the buffer is passed in pieces. */
static bool profile_text(struct profile *profile, json_t *json, struct su_err *err)
{
    uint64_t lines = 0;
    bool is_within = false;
    for (;;) {
        const char *text = profile->buffer + profile->at;
        const char *end = memchr(text, '\n', profile_left(profile));
        if (end == NULL) {
            bool is_long = profile_left(profile) > LINE_SAMPLE;
            if (profile_left(profile) > 0 && !is_within && (is_long || profile->is_last)) {
                sample_line(profile, text, profile_left(profile));
                is_within = true;
                lines++;
            }
            if (profile->is_last)
                break;
            if (is_long || is_within)
                profile->at = profile->end;
            bool is_full;
            if (!profile_fill(profile, &is_full, err))
                return false;
            continue;
        }
        if (!is_within) {
            sample_line(profile, text, (size_t)(end - text));
            lines++;
        }
        is_within = false;
        profile->at += (size_t)(end - text) + 1;
    }
    json_object_set_new(json, "kind", json_string("text"));
    json_object_set_new(json, "rows", json_integer((json_int_t)lines));
    return true;
}

static bool profile_kind(struct profile *profile, json_t *json, struct su_err *err)
{
    bool is_full, is_it = false;
    enum profile_hint hint = profile->options->hint;
    if (!profile_fill(profile, &is_full, err))
        return false;
    if (profile->end == 0 && profile->is_last && !profile->is_partial) {
        profile_warn(profile, "the file is empty");
        json_object_set_new(json, "kind", json_string(hint == PROFILE_CSV ? "csv" : "text"));
        return true;
    }
    if (decoder_is_binary(profile->decoder)) {
        json_object_set_new(json, "kind", json_string("binary"));
        json_object_set_new(json, "encoding", json_null());
        return true;
    }
    if (hint != PROFILE_CSV && hint != PROFILE_TEXT && (!profile_json(profile, json, &is_it, err) || is_it))
        return is_it;
    if (hint != PROFILE_TEXT && (!profile_csv(profile, json, &is_it, err) || is_it))
        return is_it;
    return profile_text(profile, json, err);
}

static void finish(struct profile *profile, json_t *json)
{
    uint64_t stray = decoder_stray_bytes(profile->decoder);
    if (stray > 0)
        profile_warn(profile, "%llu bytes are not valid UTF-8 and were read as Latin-1", (unsigned long long)stray);
    if (!json_is_null(json_object_get(json, "encoding")))
        json_object_set_new(json, "encoding", json_string(decode_encoding_name(decoder_encoding(profile->decoder))));
    if (decoder_is_gzip(profile->decoder))
        json_object_set_new(json, "compression", json_string("gzip"));
    json_object_set(json, "sample", profile->sample);
    json_object_set_new(json, "complete", json_boolean(!profile->is_partial));
    json_object_set(json, "warnings", profile->warnings);
}

bool profile_run(decode_read_fn *read, void *arg, const struct profile_options *options, json_t **ret, struct su_err *err)
{
    size_t record_max = options->record_max ? options->record_max : RECORD_MAX;
    struct profile profile = {
        .options = options, .decoder = decoder_new(read, arg, &options->decode), .record_max = record_max,
        .capacity = (record_max < BUFFER_FIRST ? record_max : BUFFER_FIRST) + SLACK, .warnings = json_array(), .sample = json_array()};
    profile.buffer = su_alloc(profile.capacity + CSV_PADDING);
    SU_AUTO_JSON json_t *json = json_pack("{s:n, s:s, s:n, s:n, s:b, s:n, s:i, s:i, s:[], s:[]}", "kind", "encoding", "utf-8", "delimiter",
                                          "quote", "header", 0, "compression", "rows", 0, "ragged_rows", 0, "columns", "sample");
    bool ok = profile_kind(&profile, json, err);
    if (ok) {
        finish(&profile, json);
        *ret = su_take(json);
    }
    decoder_free(profile.decoder);
    free(profile.buffer);
    json_decref(profile.warnings);
    json_decref(profile.sample);
    return ok;
}
