/* Limits: see limits.h.  Layer api. */
#include "limits.h"

#include <string.h>

#define ROW(member, standard_, min_, max_, unit_, help_) \
    {#member, offsetof(struct limits, member), (standard_), (min_), (max_), (unit_), (help_)}
enum { KIB = 1024, MIB = 1024 * 1024 };
#define GIB (1024ull * MIB)

const struct limit_row limits_table[] = {
    ROW(uri_bytes, 8 * KIB, 256, 12 * KIB, "bytes", "path and query of a request (414)"),
    ROW(header_bytes, 16 * KIB, 4 * KIB, 16 * KIB, "bytes", "request line and headers together (431)"),
    ROW(headers, 100, 16, 1000, "", "headers of a request (431)"),
    ROW(connections, 4096, 16, 100000, "", "open connections; further ones wait in the system's queue"),
    ROW(idle_s, 30, 1, 3600, "s", "silence on a connection before it is closed"),
    ROW(head_s, 30, 1, 3600, "s", "time for a request's headers to arrive, counted from the connection or the previous reply"),
    ROW(body_grace_s, 15, 1, 3600, "s", "time before the least rate of a body counts"),
    ROW(body_rate_bytes, 1 * KIB, 0, 1 * GIB, "bytes", "least rate of a body, bytes a second on average (408)"),
    ROW(json_bytes, 1 * MIB, 1 * KIB, 256 * MIB, "bytes", "JSON body of a request (413)"),
    ROW(notebook_bytes, 64 * MIB, 1 * KIB, 256 * MIB, "bytes", "one notebook or recipe (413)"),
    ROW(object_bytes, 64 * GIB, 1 * KIB, 1024 * GIB, "bytes", "one version of an object (413)"),
    ROW(uploads, 1000, 1, 1000000, "", "unfinished uploads (POST /v1/uploads) of one tenant"),
    ROW(upload_s, 86400, 1, 30 * 86400, "s", "time without a byte after which an unfinished upload is dropped"),
    ROW(workers, 4, 1, 64, "", "threads that run requests"),
    ROW(queued_requests, 1024, 16, 100000, "", "requests waiting for a worker; further ones get 503"),
    ROW(wait_s, 300, 1, 3600, "s", "longest ?wait="),
    ROW(event_streams, 512, 1, 100000, "", "open event streams and long replies; further ones get 503"),
    ROW(idempotency_s, 86400, 60, 30 * 86400, "s", "how long the reply of an Idempotency-Key is kept"),
    ROW(idempotency_bytes, 64 * KIB, 1 * KIB, 16 * MIB, "bytes", "largest reply that is kept for an Idempotency-Key"),
    ROW(login_failures, 5, 1, 1000, "", "failed logins in a row before a pause (429)"),
    ROW(login_pause_s, 30, 1, 86400, "s", "that pause; it doubles with each further failure, up to 64 times"),
    ROW(tokens, 1000, 1, 1000000, "", "tokens of one tenant"),
    ROW(users, 1000, 1, 1000000, "", "users of one tenant"),
    ROW(drain_s, 8, 0, 600, "s", "time for open requests to finish after SIGTERM"),
    ROW(runs_parallel, 4, 1, 1000, "", "runs at the same time; further ones are queued"),
    ROW(runs_queued, 10000, 1, 1000000, "", "queued runs"),
    ROW(runs_following, 16, 1, 1000, "", "following runs at the same time, beside the others; further ones are queued"),
    ROW(fetch_bytes, 2 * GIB, 1 * KIB, 1024 * GIB, "bytes", "one download (fetch) into an object"),
    ROW(fetch_s, 600, 1, 86400, "s", "time for one download"),
    ROW(streams, 100000, 1, 10000000, "", "streams of one tenant"),
    ROW(stream_message_bytes, 1 * MIB, 1 * KIB, 16 * MIB, "bytes", "one message of a stream"),
    ROW(stream_queued_bytes, 32 * MIB, 1 * KIB, 16 * GIB, "bytes", "messages that wait for the disk; further ones get 429"),
    ROW(amqp_connections, 256, 1, 4096, "", "AMQP sources that run at the same time, one connection and thread each; further ones wait"),
    ROW(push_bytes, 32 * MIB, 1 * KIB, 256 * MIB, "bytes", "body of one push, packed and opened (413)"),
    ROW(push_held_bytes, 64 * MIB, 1 * KIB, 16 * GIB, "bytes", "bodies of pushes that are under way; further ones get 429"),
    ROW(frame_bytes, 512 * MIB, 1 * MIB, 64 * GIB, "bytes", "columns of a stream or table in one answer; the rest is asked for separately"),
    ROW(frame_connections, 64, 4, 4096, "", "kernels asking for columns at the same time; further ones wait"),
    ROW(sockets, 512, 1, 100000, "", "open WebSockets; further ones get 503"),
    ROW(socket_stall_s, 20, 1, 3600, "s", "time in which a WebSocket's reader takes nothing before it is dropped"),
    ROW(query_s, 10, 1, 3600, "s", "time for one query (408)"),
    ROW(query_rows, 100000, 1, 10000000, "", "rows of a query's answer; further ones are left out and `truncated` says so"),
    ROW(query_bytes, 32 * MIB, 1 * KIB, 1 * GIB, "bytes", "values of a query's answer; further rows are left out"),
    ROW(query_memory_bytes, 256 * MIB, 16 * MIB, 1024 * GIB, "bytes", "memory of all running queries together, SQLite's own caches included"),
    ROW(live_notebooks, 200, 1, 10000, "", "notebooks that are open at the same time (429)"),
    ROW(live_kernels, 32, 1, 1000, "", "kernels of open notebooks at the same time (429)"),
    ROW(live_idle_s, 43200, 1, 30 * 86400, "s", "time after which a kernel that nobody looks at and that runs nothing is shut down"),
    ROW(replays, 16, 1, 1000, "", "tables that are replayed at the same time (429)"),
    ROW(series_bytes, 128 * MIB, 1 * MIB, 64 * GIB, "bytes", "buckets of all charts that are read or followed; further ones get 429"),
    ROW(window_groups, 100000, 1, 10000000, "", "groups of a roll-up"),
    ROW(window_cache_bytes, 32 * MIB, 0, 16 * GIB, "bytes", "answers of closed windows that are kept in memory"),
    ROW(self_s, 10, 0, 86400, "s", "between two looks at itself, which go into the stream `_self`; 0: none"),
    {.name = NULL},
};

static uint64_t *member(struct limits *limits, const struct limit_row *row)
{
    return (uint64_t *)(void *)((char *)limits + row->offset);
}

void limits_init(struct limits *limits)
{
    for (const struct limit_row *row = limits_table; row->name; row++)
        *member(limits, row) = row->standard;
}

static bool parse(const char *text, uint64_t *ret)
{
    static const struct { const char *suffix; uint64_t factor; } units[] = {
        {"KiB", KIB}, {"MiB", MIB}, {"GiB", GIB}, {"", 1}};
    for (size_t i = 0; i < SU_COUNT(units); i++) {
        struct su_str all = su_str_of(text), suffix = su_str_of(units[i].suffix);
        if (!su_str_ends(all, suffix))
            continue;
        all.len -= suffix.len;
        if (!su_str_u64(su_str_trim(all), UINT64_MAX / units[i].factor, ret))
            return false;
        *ret *= units[i].factor;
        return true;
    }
    return false;
}

bool limits_set(struct limits *limits, const char *name, const char *value, struct su_err *err)
{
    for (const struct limit_row *row = limits_table; row->name; row++) {
        if (strcmp(row->name, name) != 0)
            continue;
        uint64_t number;
        if (!parse(value, &number) || number < row->min || number > row->max)
            return su_fail_field(err, SU_INVALID, name, "limits.%s: must be %llu..%llu%s%s, was \"%.64s\"", name,
                                 (unsigned long long)row->min, (unsigned long long)row->max, *row->unit ? " " : "",
                                 row->unit, value);
        *member(limits, row) = number;
        return true;
    }
    su_fail_field(err, SU_INVALID, name, "limits: there is no limit named \"%.64s\"", name);
    return su_hint(err, "suricate serve --print-limits lists them");
}

void limits_print(struct su_buf *out)
{
    su_buf_adds(out, "# Limits\n\n"
                     "Made by `suricate serve --print-limits`. Set one with `--limit NAME=VALUE` or in the `[limits]` section\n"
                     "of the configuration file; bytes take `KiB`, `MiB` and `GiB`.\n\n"
                     "| name | default | range | unit | what |\n|---|---|---|---|---|\n");
    for (const struct limit_row *row = limits_table; row->name; row++)
        su_buf_addf(out, "| `%s` | %llu | %llu to %llu | %s | %s |\n", row->name, (unsigned long long)row->standard,
                    (unsigned long long)row->min, (unsigned long long)row->max, row->unit, row->help);
}
