/* /v1/status, /healthz, /readyz, /metrics: how the server is.  Layer api; the edge answers from memory. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "handler.h"
#include "limits.h"
#include "routes.h"
#include "server.h"
#include "store/store.h"
#include "interact/run.h"

static void get_status(struct request *request, struct reply *reply)
{
    const struct services *services = request_services(request);
    const struct identity *who = request_identity(request);
    struct runs_stats runs = {0};
    if (services->runs)
        runs_stats(services->runs, &runs);
    char *text = su_alloc(512);
    int length = snprintf(text, 512, "%s%lld,\"ready\":%s,\"tenant\":\"%s\",\"user\":\"%s\",\"runs\":{\"queued\":%llu,\"running\":%llu}}",
                          server_status_head(services->server), (long long)(su_now_ms() - server_started_ms(services->server)) / 1000,
                          server_is_ready(services->server) ? "true" : "false", who->tenant, who->user,
                          (unsigned long long)runs.queued, (unsigned long long)runs.running);
    reply_take(reply, 200, "application/json", text, (size_t)length);
}

static void get_healthz(struct request *request, struct reply *reply) { reply_bytes(reply, 200, "text/plain", "ok\n", 3); }

static void get_readyz(struct request *request, struct reply *reply)
{
    if (server_is_ready(request_services(request)->server))
        reply_bytes(reply, 200, "text/plain", "ready\n", 6);
    else
        reply_bytes(reply, 503, "text/plain", "draining\n", 9);
}

/* ------------------------------------------------------------- metrics */

static void metric(struct su_buf *out, const char *name, const char *type, const char *help)
{
    su_buf_addf(out, "# TYPE suricate_%s %s\n# HELP suricate_%s %s\n", name, type, name, help);
}

static void gauge(struct su_buf *out, const char *name, const char *help, uint64_t value)
{
    metric(out, name, "gauge", help);
    su_buf_addf(out, "suricate_%s %llu\n", name, (unsigned long long)value);
}

static void counter(struct su_buf *out, const char *name, const char *help, double value)
{
    metric(out, name, "counter", help);
    su_buf_addf(out, "suricate_%s_total %.17g\n", name, value);
}

static void add_requests(struct su_buf *out, const struct server_stats *stats)
{
    metric(out, "http_requests", "counter", "Requests by class of status.");
    for (int i = 1; i < 6; i++)
        su_buf_addf(out, "suricate_http_requests_total{class=\"%dxx\"} %llu\n", i, (unsigned long long)stats->requests[i]);
    metric(out, "http_request_seconds", "histogram", "Time from the head of a request to its reply sent.");
    uint64_t sum = 0;
    for (size_t i = 0; i < SERVER_LATENCIES; i++) {
        sum += stats->latency[i];
        su_buf_addf(out, "suricate_http_request_seconds_bucket{le=\"%g\"} %llu\n", server_latency_ms[i] / 1000.0, (unsigned long long)sum);
    }
    sum += stats->latency[SERVER_LATENCIES];
    su_buf_addf(out, "suricate_http_request_seconds_bucket{le=\"+Inf\"} %llu\nsuricate_http_request_seconds_sum %.9g\n"
                     "suricate_http_request_seconds_count %llu\n", (unsigned long long)sum, stats->latency_total_s, (unsigned long long)sum);
}

static uint64_t resident_bytes(void)
{
    struct su_buf text = SU_BUF(256);
    struct su_err err;
    struct su_str total, rest, resident;
    uint64_t pages = 0;
    if (su_file_read("/proc/self/statm", 255, &text, &err) && su_str_cut(su_buf_str(&text), ' ', &total, &rest) &&
        su_str_cut(rest, ' ', &resident, &rest))
        su_str_u64(resident, UINT64_MAX / 4096, &pages);
    su_buf_done(&text);
    return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void add_server(struct su_buf *out, const struct services *services)
{
    struct server_stats stats;
    server_stats(services->server, &stats);
    add_requests(out, &stats);
    counter(out, "http_received_bytes", "Bytes of request bodies.", (double)stats.bytes_in);
    counter(out, "http_connections_opened", "Connections accepted.", (double)stats.connections_total);
    counter(out, "http_slow_closed", "Connections closed because they sent too slowly.", (double)stats.slow);
    gauge(out, "http_connections", "Open connections.", stats.connections);
    gauge(out, "http_requests_queued", "Requests waiting for a worker.", stats.queued);
    gauge(out, "http_requests_parked", "Requests waiting for something to happen.", stats.parked);
    gauge(out, "http_event_streams", "Open event streams.", stats.streams);
    gauge(out, "http_sockets", "Open WebSockets.", stats.sockets);
}

static void add_store(struct su_buf *out, const struct services *services)
{
    struct store_stats stats;
    store_stats(services->store, &stats);
    counter(out, "store_commits", "Synced commits.", (double)stats.commits);
    counter(out, "store_jobs", "Writes, several of which may share a commit.", (double)stats.jobs);
    counter(out, "store_commit_seconds", "Time spent in commits.", (double)stats.commit_ns_total / 1e9);
    gauge(out, "store_jobs_queued", "Writes waiting for the writer.", stats.queue_length);
    gauge(out, "store_free_bytes", "Free bytes of the data directory's file system.", store_free_bytes(services->store));
}

static void get_metrics(struct request *request, struct reply *reply)
{
    const struct services *services = request_services(request);
    struct su_buf out = SU_BUF(256 * 1024);
    metric(&out, "build", "info", "What is running.");
    su_buf_addf(&out, "suricate_build_info{version=\"" SURICATE_VERSION "\"} 1\n");
    gauge(&out, "start_time_seconds", "When the server started.", (uint64_t)server_started_ms(services->server) / 1000);
    gauge(&out, "resident_bytes", "Resident memory of the server.", resident_bytes());
    add_server(&out, services);
    add_store(&out, services);
    if (services->runs) {
        struct runs_stats runs;
        runs_stats(services->runs, &runs);
        gauge(&out, "runs_queued", "Runs waiting.", runs.queued);
        gauge(&out, "runs_running", "Runs under way.", runs.running);
        counter(&out, "runs_finished", "Runs that ended since the start.", (double)runs.finished);
    }
    su_buf_adds(&out, "# EOF\n");
    size_t length;
    char *text = su_buf_take(&out, &length);
    reply_take(reply, 200, "application/openmetrics-text; version=1.0.0; charset=utf-8", text, length);
}

const struct route status_routes[] = {
    {"GET", "/v1/status", SCOPE_ANY, get_status, .flags = ROUTE_EDGE, .summary = "How the server is",
     .response = "status, version, started_at, uptime_s, ready, tenant, user, runs"},
    {"GET", "/healthz", SCOPE_OPEN, get_healthz, .flags = ROUTE_EDGE, .summary = "Is the process alive?",
     .response = "ok", .response_type = "text/plain"},
    {"GET", "/readyz", SCOPE_OPEN, get_readyz, .flags = ROUTE_EDGE, .summary = "May requests be sent here?",
     .response = "ready, or 503 while draining", .response_type = "text/plain"},
    {"GET", "/metrics", SCOPE_OPEN, get_metrics, .summary = "Counters for monitoring", .response = "OpenMetrics text",
     .response_type = "application/openmetrics-text"},
    ROUTE_END};
