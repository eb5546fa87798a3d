/* /v1/notebooks/{name}/live: open notebooks, their kernels, and what is told of them.  Layer api; workers, and for
 * WebSockets the thread "sockets". */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "handler.h"
#include "interact/document.h"
#include "interact/documents.h"
#include "interact/recorder.h"
#include "routes.h"

enum { LIVE_BODY_MAX = 16 << 20 };

static struct documents *service(const struct request *request) { return request_services(request)->documents; }

/* The document of the request's notebook; false: err says why. */
static bool hold(struct request *request, struct document_hold *ret, struct su_err *err)
{
    ret->documents = service(request);
    return documents_get(ret->documents, request_tenant(request), request_param(request, "name"), request_identity(request)->user, &ret->open, err);
}

/* ---- reading ---- */

struct watching { struct document_hold hold; struct document_reader reader; };

static bool fill(struct request *request, void *state, struct su_buf *out)
{
    (void)request;
    struct watching *watching = state;
    document_reader_next(watching->hold.documents, watching->hold.open, &watching->reader, out);
    return true;
}

static void end_watching(void *state)
{
    struct watching *watching = state;
    documents_viewers(watching->hold.documents, watching->hold.open, -1);
    document_hold_done(&watching->hold);
    free(watching);
}

static const struct event_source source = {.fill = fill, .close = end_watching};

static bool get(struct request *request, struct reply *reply, struct su_err *err)
{
    DOCUMENT_AUTO_HOLD struct document_hold held = {0};
    int64_t epoch = 0, after = 0;
    if (!request_query_int(request, "epoch", 0, INT64_MAX, &epoch, err) || !request_query_int(request, "after", 0, INT64_MAX, &after, err) ||
        !hold(request, &held, err))
        return false;
    if (!request_wants_socket(request)) {
        SU_AUTO_BUF struct su_buf out = SU_BUF(RECORDER_OUTPUTS_MAX);
        size_t len;
        document_snapshot_now(held.documents, held.open, &out);
        char *text = su_buf_take(&out, &len);
        reply_header(reply, "Cache-Control", "no-store");
        reply_take(reply, 200, "application/json", text, len);
        return true;
    }
    struct watching *watching = su_alloc(sizeof *watching);
    *watching = (struct watching){{held.documents, su_take(held.open)}, {epoch, (uint64_t)after}};
    documents_viewers(watching->hold.documents, watching->hold.open, 1);
    reply_socket(request, reply, &source, watching, open_document_topic(watching->hold.open));
    return true;
}

static void get_live(struct request *request, struct reply *reply)
{
    struct su_err err;
    if (!get(request, reply, &err))
        reply_error(reply, &err);
}

static void get_output(struct request *request, struct reply *reply)
{
    struct su_err err;
    DOCUMENT_AUTO_HOLD struct document_hold held = {0};
    SU_AUTO_BUF struct su_buf out = SU_BUF(RECORDER_OUTPUTS_MAX);
    uint64_t index;
    size_t len;
    bool ok = su_str_u64(su_str_of(request_param(request, "index")), INT32_MAX, &index);
    if (!ok)
        su_fail_field(&err, SU_INVALID, "index", "index: must be a whole number from 0");
    if (!ok || !hold(request, &held, &err) || !documents_output(held.documents, held.open, request_param(request, "cell"), (size_t)index, &out, &err)) {
        reply_error(reply, &err);
        return;
    }
    char *text = su_buf_take(&out, &len);
    reply_take(reply, 200, "application/json", text, len);
}

static void list_live(struct request *request, struct reply *reply) { reply_list(reply, documents_list(service(request), request_tenant(request)), NULL); }

/* ---- edits and orders ---- */

struct edit_body { const char *client; json_t *edits; };
static const struct su_field edit_fields[] = {
    SU_FIELD(struct edit_body, client, SU_FIELD_TEXT, .max = 64, .help = "Who edits, told to all with the edits"),
    SU_FIELD(struct edit_body, edits, SU_FIELD_LIST, .is_required = true, .min = 1, .max = DOCUMENT_EDITS_MAX,
             .help = "op: source, insert, delete, move, type, metadata or clear; see the reference of notebooks"),
    SU_FIELD_END};

static void patch_live(struct request *request, struct reply *reply)
{
    struct su_err err;
    struct edit_body body = {.client = ""};
    DOCUMENT_AUTO_HOLD struct document_hold held = {0};
    json_t *result;
    if (request_bind(request, edit_fields, &body, &err) && hold(request, &held, &err) &&
        documents_edit(held.documents, held.open, body.client, body.edits, &result, &err))
        reply_json(reply, 200, result);
    else
        reply_error(reply, &err);
}

struct execute_body { const char *client; json_t *cells, *edits; };
static const struct su_field execute_fields[] = {
    SU_FIELD(struct execute_body, cells, SU_FIELD_LIST, .is_required = true, .min = 1, .max = 20000, .help = "Ids of the cells to run, in order"),
    SU_FIELD(struct execute_body, client, SU_FIELD_TEXT, .max = 64, .help = "Who edits"),
    SU_FIELD(struct execute_body, edits, SU_FIELD_LIST, .max = DOCUMENT_EDITS_MAX, .help = "Applied first"),
    SU_FIELD_END};

/* A conflict among the edits: nothing runs, since it would not be what the person sees. */
static bool execute(struct request *request, struct reply *reply, struct su_err *err)
{
    struct execute_body body = {.client = ""};
    DOCUMENT_AUTO_HOLD struct document_hold held = {0};
    SU_AUTO_JSON json_t *edited = NULL;
    if (!request_bind(request, execute_fields, &body, err) || !hold(request, &held, err))
        return false;
    if (json_array_size(body.edits) && !documents_edit(held.documents, held.open, body.client, body.edits, &edited, err))
        return false;
    bool has_conflicts = json_array_size(json_object_get(edited, "conflicts")) > 0;
    if (!has_conflicts && !documents_execute(held.documents, held.open, body.cells, err))
        return false;
    reply_json(reply, has_conflicts ? 409 : 202, edited ? su_take(edited) : json_object());
    return true;
}

static void post_execute(struct request *request, struct reply *reply)
{
    struct su_err err;
    if (!execute(request, reply, &err))
        reply_error(reply, &err);
}

struct action_body { const char *action; };
static const struct su_field action_fields[] = {
    SU_FIELD(struct action_body, action, SU_FIELD_TEXT, .is_required = true, .max = 32, .help = "start, interrupt, restart or shutdown"),
    SU_FIELD_END};

static void post_kernel(struct request *request, struct reply *reply)
{
    struct su_err err;
    struct action_body body = {0};
    DOCUMENT_AUTO_HOLD struct document_hold held = {0};
    if (request_bind(request, action_fields, &body, &err) && hold(request, &held, &err) &&
        documents_kernel(held.documents, held.open, body.action, &err))
        reply_json(reply, 202, json_object());
    else
        reply_error(reply, &err);
}

struct input_body { const char *value; };
static const struct su_field input_fields[] = {
    SU_FIELD(struct input_body, value, SU_FIELD_TEXT, .is_required = true, .max = 65536, .help = "What was typed"),
    SU_FIELD_END};

static void post_input(struct request *request, struct reply *reply)
{
    struct su_err err;
    struct input_body body = {0};
    DOCUMENT_AUTO_HOLD struct document_hold held = {0};
    if (request_bind(request, input_fields, &body, &err) && hold(request, &held, &err) && documents_input(held.documents, held.open, body.value, &err))
        reply_json(reply, 202, json_object());
    else
        reply_error(reply, &err);
}

static void post_save(struct request *request, struct reply *reply)
{
    struct su_err err;
    int64_t version;
    DOCUMENT_AUTO_HOLD struct document_hold held = {0};
    if (hold(request, &held, &err) && documents_save(held.documents, held.open, &version, &err))
        reply_json(reply, 200, json_pack("{s:I}", "version", (json_int_t)version));
    else
        reply_error(reply, &err);
}

static void delete_live(struct request *request, struct reply *reply)
{
    struct su_err err;
    DOCUMENT_AUTO_HOLD struct document_hold held = {0};
    if (hold(request, &held, &err) && documents_end(held.documents, held.open, false, &err))
        reply_empty(reply, 204);
    else
        reply_error(reply, &err);
}

/* ---- questions ---- */

struct code_body { const char *code; int64_t cursor, detail; };
static const struct su_field complete_fields[] = {
    SU_FIELD(struct code_body, code, SU_FIELD_TEXT, .is_required = true, .max = DOCUMENT_CODE_MAX, .help = "The cell's text"),
    SU_FIELD(struct code_body, cursor, SU_FIELD_INT, .is_required = true, .max = DOCUMENT_CODE_MAX, .help = "Where in it, in characters"),
    SU_FIELD_END};
static const struct su_field inspect_fields[] = {
    SU_FIELD(struct code_body, code, SU_FIELD_TEXT, .is_required = true, .max = DOCUMENT_CODE_MAX, .help = "The cell's text"),
    SU_FIELD(struct code_body, cursor, SU_FIELD_INT, .is_required = true, .max = DOCUMENT_CODE_MAX, .help = "Where in it, in characters"),
    SU_FIELD(struct code_body, detail, SU_FIELD_INT, .max = 1, .help = "0: what it is, 1: its source too"),
    SU_FIELD_END};

/* Asked once; the handler runs again whenever the document has news, until the answer is there. */
static bool ask(struct request *request, struct reply *reply, const char *type, const struct su_field *fields, struct su_err *err)
{
    struct code_body body = {0};
    DOCUMENT_AUTO_HOLD struct document_hold held = {0};
    json_t *answer;
    char id[SU_ID_SIZE];
    if (!request_bind(request, fields, &body, err) || !hold(request, &held, err))
        return false;
    if (!request_kept(request)) {
        json_t *content = json_pack("{s:s, s:I, s:I}", "code", body.code, "cursor_pos", (json_int_t)body.cursor, "detail_level", (json_int_t)body.detail);
        if (!documents_ask(held.documents, held.open, type, content, id, err))
            return false;
        request_keep(request, id);
    }
    if (documents_answer(held.documents, held.open, request_kept(request), &answer, err))
        reply_json(reply, 200, answer);
    else if (!reply_park(request, reply, open_document_topic(held.open)))
        return false;
    return true;
}

static void post_complete(struct request *request, struct reply *reply)
{
    struct su_err err;
    if (!ask(request, reply, "complete_request", complete_fields, &err))
        reply_error(reply, &err);
}

static void post_inspect(struct request *request, struct reply *reply)
{
    struct su_err err;
    if (!ask(request, reply, "inspect_request", inspect_fields, &err))
        reply_error(reply, &err);
}

static const struct query_field get_query[] = {
    {"epoch", QUERY_INT, "With after: of the snapshot that the client has"},
    {"after", QUERY_INT, "Number of the last delta that the client has"},
    {NULL, QUERY_TEXT, NULL}};

/* clang-format off */
const struct route live_routes[] = {
    {.method = "GET", .path = "/v1/live", .scope = SCOPE_NOTEBOOKS_READ, .handle = list_live, .flags = ROUTE_LIST,
     .summary = "List open notebooks", .response = "name, viewers, kernel, dirty"},
    {.method = "GET", .path = "/v1/notebooks/{name*}/live", .scope = SCOPE_NOTEBOOKS_READ, .handle = get_live, .query = get_query,
     .summary = "An open notebook: a snapshot, or by WebSocket a snapshot and what changes",
     .response = "The snapshot: seq, revision, notebook, cells, kernel, input, viewers"},
    {.method = "GET", .path = "/v1/notebooks/{name*}/live/outputs/{cell}/{index}", .scope = SCOPE_NOTEBOOKS_READ, .handle = get_output,
     .summary = "One output of an open notebook, whole", .response = "The output as nbformat has it"},
    {.method = "PATCH", .path = "/v1/notebooks/{name*}/live", .scope = SCOPE_NOTEBOOKS_WRITE, .handle = patch_live, .body = BODY_JSON,
     .body_max = LIVE_BODY_MAX, .request = edit_fields, .summary = "Edit cells of an open notebook, each on its revision",
     .response = "revision, cells (their revisions), conflicts"},
    {.method = "DELETE", .path = "/v1/notebooks/{name*}/live", .scope = SCOPE_RUNS_WRITE, .handle = delete_live, .success = 204,
     .summary = "Shut the kernel down, store the notebook and close it", .response = "Nothing"},
    {.method = "POST", .path = "/v1/notebooks/{name*}/live/execute", .scope = SCOPE_RUNS_WRITE, .handle = post_execute, .body = BODY_JSON,
     .body_max = LIVE_BODY_MAX, .flags = ROUTE_NO_IDEMPOTENCY, .request = execute_fields, .success = 202,
     .summary = "Run cells of an open notebook", .response = "What the edits gave; 409 when they are in conflict: then nothing runs"},
    {.method = "POST", .path = "/v1/notebooks/{name*}/live/kernel", .scope = SCOPE_RUNS_WRITE, .handle = post_kernel, .body = BODY_JSON,
     .flags = ROUTE_NO_IDEMPOTENCY, .request = action_fields, .success = 202,
     .summary = "Start, interrupt, restart or shut down the kernel",
     .response = "Nothing; the kernel's state is told by the deltas"},
    {.method = "POST", .path = "/v1/notebooks/{name*}/live/input", .scope = SCOPE_RUNS_WRITE, .handle = post_input, .body = BODY_JSON,
     .flags = ROUTE_NO_IDEMPOTENCY, .request = input_fields, .success = 202, .summary = "Answer the kernel's input()", .response = "Nothing"},
    {.method = "POST", .path = "/v1/notebooks/{name*}/live/complete", .scope = SCOPE_RUNS_WRITE, .handle = post_complete, .body = BODY_JSON,
     .body_max = 2 * DOCUMENT_CODE_MAX, .flags = ROUTE_NO_IDEMPOTENCY | ROUTE_WAIT, .request = complete_fields,
     .summary = "What could stand at the cursor, by the kernel", .response = "matches, cursor_start, cursor_end, metadata"},
    {.method = "POST", .path = "/v1/notebooks/{name*}/live/inspect", .scope = SCOPE_RUNS_WRITE, .handle = post_inspect, .body = BODY_JSON,
     .body_max = 2 * DOCUMENT_CODE_MAX, .flags = ROUTE_NO_IDEMPOTENCY | ROUTE_WAIT, .request = inspect_fields,
     .summary = "What stands at the cursor, by the kernel", .response = "found, data"},
    {.method = "POST", .path = "/v1/notebooks/{name*}/live/save", .scope = SCOPE_NOTEBOOKS_WRITE, .handle = post_save,
     .body = BODY_JSON, .flags = ROUTE_NO_IDEMPOTENCY | ROUTE_BODY_OPTIONAL,
     .summary = "Store an open notebook as its next version now", .response = "version"},
    ROUTE_END};
