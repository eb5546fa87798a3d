/* /v1/runs: notebooks at work.  Layer api; handlers run on workers. */
#include <stdlib.h>
#include <string.h>
#include "act/model.h"
#include "handler.h"
#include "interact/documents.h"
#include "interact/notebooks.h"
#include "interact/recorder.h"
#include "interact/run.h"
#include "routes.h"

enum { TOPIC_SIZE = 64 };

static struct runs *service(const struct request *request) { return request_services(request)->runs; }
static const char *run_id(const struct request *request) { return request_param(request, "id"); }

/* The run as it is, once it has ended or nobody waits any more. */
static void reply_run(struct request *request, struct reply *reply, const char *id, int status)
{
    struct su_err err;
    json_t *run;
    bool is_final;
    char topic[TOPIC_SIZE];
    snprintf(topic, sizeof topic, "run-state/%.40s", id);
    if (!run_get(service(request), request_tenant(request), id, &run, &is_final, &err)) {
        reply_error(reply, &err);
        return;
    }
    if (!is_final && reply_park(request, reply, topic)) {
        json_decref(run);
        return;
    }
    if (status == 202)
        reply_header(reply, "Location", "/v1/runs/%s", id);
    reply_json(reply, status, run);
}

struct run_body { const char *notebook, *label; int64_t version, retries; json_t *parameters, *limits; bool network, follow; };
static const struct su_field run_fields[] = {
    SU_FIELD(struct run_body, notebook, SU_FIELD_TEXT, .is_required = true, .min = 1, .max = 512,
             .help = "The notebook's name"),
    SU_FIELD(struct run_body, version, SU_FIELD_INT, .min = 1, .max = 9007199254740991, .help = "Absent: the newest"),
    SU_FIELD(struct run_body, parameters, SU_FIELD_OBJECT, .help = "Values for the cell tagged `parameters`"),
    SU_FIELD(struct run_body, limits, SU_FIELD_OBJECT, .help = "time_s, memory_mb, processes, scratch_mb, output_mb"),
    SU_FIELD(struct run_body, network, SU_FIELD_BOOL, .help = "Let the kernel use the network (default: it has none)"),
    SU_FIELD(struct run_body, retries, SU_FIELD_INT, .min = 0, .max = RUN_RETRIES_MAX,
             .help = "Times to begin anew when the run was interrupted"),
    SU_FIELD(struct run_body, follow, SU_FIELD_BOOL,
             .help = "No time limit; begun again after a crash or failure, until it is cancelled"),
    SU_FIELD(struct run_body, label, SU_FIELD_TEXT, .min = 1, .max = RUN_LABEL_MAX, .help = "For people"),
    SU_FIELD_END};

static bool create(struct request *request, char id[static SU_ID_SIZE], struct su_err *err)
{
    struct run_body body = {0};
    RUN_AUTO_SOURCE struct run_source source = {0};
    const struct identity *who = request_identity(request);
    if (!request_bind(request, run_fields, &body, err) ||
        !notebooks_source(request_services(request)->notebooks, who->tenant, body.notebook, body.version, &source, err))
        return false;
    const struct run_options options = {.parameters = body.parameters, .limits = body.limits, .network = body.network,
                                        .retries = body.retries, .follow = body.follow, .label = body.label};
    return run_create(service(request), who->tenant, who->user, &source, &options, id, err);
}

static void post_run(struct request *request, struct reply *reply)
{
    struct su_err err;
    char id[SU_ID_SIZE];
    if (request_kept(request) == NULL) {
        if (!create(request, id, &err)) {
            reply_error(reply, &err);
            return;
        }
        request_keep(request, id);
    }
    reply_run(request, reply, request_kept(request), 202);
}

static void post_replay(struct request *request, struct reply *reply)
{
    struct su_err err;
    char id[SU_ID_SIZE];
    const struct identity *who = request_identity(request);
    if (request_kept(request) == NULL) {
        if (!run_replay(service(request), who->tenant, who->user, run_id(request), id, &err)) {
            reply_error(reply, &err);
            return;
        }
        request_keep(request, id);
    }
    reply_run(request, reply, request_kept(request), 202);
}

static void post_cancel(struct request *request, struct reply *reply)
{
    struct su_err err;
    if (request_kept(request) == NULL) {
        if (!run_cancel(service(request), request_tenant(request), run_id(request), &err)) {
            reply_error(reply, &err);
            return;
        }
        request_keep(request, "asked");
    }
    reply_run(request, reply, run_id(request), 200);
}

static void list_runs(struct request *request, struct reply *reply)
{
    struct su_err err;
    json_t *items;
    SU_AUTO_FREE char *next = NULL;
    struct run_list list = {.tenant = request_tenant(request), .state = request_query(request, "state"),
                            .notebook = request_query(request, "notebook"), .recipe = request_query(request, "recipe"),
                            .cursor = request_query(request, "cursor")};
    const char *follow = request_query(request, "follow");
    if (follow)
        list.kind = strcmp(follow, "true") == 0 ? RUN_LIST_FOLLOWING : RUN_LIST_OTHERS;
    if (request_limit(request, &list.limit, &err) && run_list(service(request), &list, &items, &next, &err))
        reply_list(reply, items, next);
    else
        reply_error(reply, &err);
}

static void get_run(struct request *request, struct reply *reply) { reply_run(request, reply, run_id(request), 200); }

static void get_outputs(struct request *request, struct reply *reply)
{
    struct su_err err;
    SU_AUTO_BUF struct su_buf text = SU_BUF(RECORDER_OUTPUTS_MAX);
    size_t len;
    if (!run_outputs(service(request), request_tenant(request), run_id(request), &text, &err)) {
        reply_error(reply, &err);
        return;
    }
    char *taken = su_buf_take(&text, &len);
    reply_take(reply, 200, "application/json", taken, len);
}

static void get_log(struct request *request, struct reply *reply)
{
    struct su_err err;
    SU_AUTO_BUF struct su_buf text = SU_BUF(8 << 20);
    if (run_log(service(request), request_tenant(request), run_id(request), &text, &err))
        reply_bytes(reply, 200, "text/plain; charset=utf-8", su_buf_str(&text).ptr, text.len);
    else
        reply_error(reply, &err);
}

bool request_code(struct request *request, const char **ret, struct su_err *err)
{
    const struct identity *who = request_identity(request);
    const struct services *services = request_services(request);
    SU_AUTO_FREE char *run = NULL, *open = NULL;
    *ret = NULL;
    if (who->run[0] == '\0')
        return true;
    if ((services->runs && !run_code(services->runs, who->tenant, who->run, &run, err))
        || (!run && services->documents && !documents_code(services->documents, who->tenant, who->run, &open, err)))
        return false;
    *ret = su_arena_strdup(request_arena(request), run ? run : open);
    return true;
}

/* What it read and wrote, and which of that are versions of models. */
static bool lineage_of(struct request *request, json_t **ret, struct su_err *err)
{
    SU_AUTO_JSON json_t *lineage = NULL;
    json_t *models;
    struct models *service_of_models = request_services(request)->models;
    if (!run_lineage(service(request), request_tenant(request), run_id(request), &lineage, err)
        || !model_lineage(service_of_models, request_tenant(request), json_object_get(lineage, "reads"), json_object_get(lineage, "writes"), &models,
                          err))
        return false;
    json_object_set_new(lineage, "models", models);
    *ret = su_take(lineage);
    return true;
}

static void get_lineage(struct request *request, struct reply *reply)
{
    struct su_err err;
    json_t *lineage;
    if (lineage_of(request, &lineage, &err))
        reply_json(reply, 200, lineage);
    else
        reply_error(reply, &err);
}

static void get_executed(struct request *request, struct reply *reply)
{
    struct su_err err;
    struct run_file file;
    if (!run_notebook(service(request), request_tenant(request), run_id(request), &file, &err)) {
        reply_error(reply, &err);
        return;
    }
    reply_header(reply, "Content-Disposition", "attachment; filename=\"run-%s.ipynb\"", run_id(request));
    reply_file(request, reply, file.fd, file.size, file.type, file.sha256);
}

static void list_figures(struct request *request, struct reply *reply)
{
    struct su_err err;
    SU_AUTO_JSON json_t *run = NULL;
    if (run_get(service(request), request_tenant(request), run_id(request), &run, NULL, &err))
        reply_list(reply, json_incref(json_object_get(run, "figures")), NULL);
    else
        reply_error(reply, &err);
}

static void get_figure(struct request *request, struct reply *reply)
{
    struct su_err err;
    struct run_file file;
    const char *name = request_param(request, "file");
    if (!run_figure(service(request), request_tenant(request), run_id(request), name, &file, &err)) {
        reply_error(reply, &err);
        return;
    }
    /* A notebook made it: as a page it may do nothing. */
    reply_header(reply, "Content-Security-Policy",
                 "default-src 'none'; style-src 'unsafe-inline'; img-src data:; font-src data:; sandbox");
    reply_header(reply, "Content-Disposition", "inline; filename=\"%s\"", name);
    reply_header(reply, "Cache-Control", "private, max-age=31536000, immutable");
    reply_file(request, reply, file.fd, file.size, file.type, file.sha256);
}

/* ---- events ---- */

struct following { struct run_cursor cursor; char id[SU_ID_SIZE + 8]; };

static void add_event(void *arg, const char *id, const char *event, const char *data)
{
    events_add(arg, id, event, data);
}

static bool fill_events(struct request *request, void *state, struct su_buf *out)
{
    struct following *following = state;
    struct su_err err;
    bool is_over = false;
    if (!run_events(service(request), request_tenant(request), following->id, &following->cursor, EVENTS_ENOUGH,
                    add_event, out, &is_over, &err))
        return false;
    return !is_over;
}

static const struct event_source run_event_source = {.fill = fill_events, .close = free};

static void get_events(struct request *request, struct reply *reply)
{
    struct su_err err;
    SU_AUTO_JSON json_t *run = NULL;
    char topic[TOPIC_SIZE];
    if (!run_get(service(request), request_tenant(request), run_id(request), &run, NULL, &err)) {
        reply_error(reply, &err);
        return;
    }
    struct following *following = su_alloc(sizeof *following);
    run_cursor_parse(request_header(request, "Last-Event-ID"), &following->cursor);
    snprintf(following->id, sizeof following->id, "%s", run_id(request));
    snprintf(topic, sizeof topic, "run/%.40s", run_id(request));
    reply_events(request, reply, &run_event_source, following, topic);
}

static const struct query_field list_query[] = {
    {"state", QUERY_TEXT, "Only runs in this state"}, {"notebook", QUERY_TEXT, "Only runs of this notebook"},
    {"recipe", QUERY_TEXT, "Only runs of this recipe"}, {"follow", QUERY_BOOL, "Only runs that follow, or that do not"}, {NULL, QUERY_TEXT, NULL}};

const struct route runs_routes[] = {
    {.method = "POST",
     .path = "/v1/runs",
     .scope = SCOPE_RUNS_WRITE,
     .handle = post_run,
     .body = BODY_JSON,
     .flags = ROUTE_WAIT,
     .request = run_fields,
     .summary = "Run a notebook",
     .response = "The run",
     .success = 202},
    {.method = "GET",
     .path = "/v1/runs",
     .scope = SCOPE_RUNS_READ,
     .handle = list_runs,
     .flags = ROUTE_LIST,
     .query = list_query,
     .summary = "List runs, newest first",
     .response = "Runs"},
    {.method = "GET",
     .path = "/v1/runs/{id}",
     .scope = SCOPE_RUNS_READ,
     .handle = get_run,
     .flags = ROUTE_WAIT,
     .summary = "A run's state, progress, result and figures",
     .response = "The run; with ?wait= once it has ended"},
    {.method = "GET",
     .path = "/v1/runs/{id}/notebook",
     .scope = SCOPE_RUNS_READ,
     .handle = get_executed,
     .summary = "The executed notebook",
     .response = "The .ipynb with all outputs",
     .response_type = "application/x-ipynb+json"},
    {.method = "GET",
     .path = "/v1/runs/{id}/outputs",
     .scope = SCOPE_RUNS_READ,
     .handle = get_outputs,
     .summary = "What the cells have put out so far",
     .response = "Cells that have begun, with their outputs as nbformat has them"},
    {.method = "GET",
     .path = "/v1/runs/{id}/events",
     .scope = SCOPE_RUNS_READ,
     .handle = get_events,
     .summary = "Follow a run; resume with Last-Event-ID",
     .response = "Server-sent events: state, cell_start, output, progress, cell_end, finished",
     .response_type = "text/event-stream"},
    {.method = "GET",
     .path = "/v1/runs/{id}/log",
     .scope = SCOPE_RUNS_READ,
     .handle = get_log,
     .summary = "What happened, and the end of the kernel's standard error",
     .response = "Lines of text",
     .response_type = "text/plain"},
    {.method = "GET",
     .path = "/v1/runs/{id}/lineage",
     .scope = SCOPE_RUNS_READ,
     .handle = get_lineage,
     .summary = "Where the run's results come from",
     .response = "Notebook, parameters, environment, objects read and written, downloads"},
    {.method = "GET",
     .path = "/v1/runs/{id}/figures",
     .scope = SCOPE_RUNS_READ,
     .handle = list_figures,
     .flags = ROUTE_LIST,
     .summary = "List a run's figures",
     .response = "Figures"},
    {.method = "GET",
     .path = "/v1/runs/{id}/figures/{file}",
     .scope = SCOPE_RUNS_READ,
     .handle = get_figure,
     .summary = "One figure",
     .response = "The picture",
     .response_type = "image/svg+xml"},
    {.method = "POST",
     .path = "/v1/runs/{id}/cancel",
     .scope = SCOPE_RUNS_WRITE,
     .handle = post_cancel,
     .body = BODY_JSON,
     .flags = ROUTE_WAIT | ROUTE_BODY_OPTIONAL,
     .summary = "Stop a run: interrupt, then terminate, then kill",
     .response = "The run"},
    {.method = "POST",
     .path = "/v1/runs/{id}/replay",
     .scope = SCOPE_RUNS_WRITE,
     .handle = post_replay,
     .body = BODY_JSON,
     .flags = ROUTE_WAIT | ROUTE_BODY_OPTIONAL,
     .summary = "Run the same again on the same versions of everything it read",
     .response = "The new run",
     .success = 202},
    ROUTE_END};
