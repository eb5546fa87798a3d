/* /v1/decisions/{id}/investigate: a notebook that looks at a decision.  Layer api; handlers run on workers. */
#include "act/investigate.h"
#include <stdlib.h>
#include "act/decision.h"
#include "act/watch.h"
#include "handler.h"
#include "interact/documents.h"
#include "interact/notebook.h"
#include "interact/notebooks.h"
#include "routes.h"

static bool may_read(const struct request *request, struct su_err *err)
{
    return request_identity(request)->scopes & 1u << SCOPE_STREAMS_READ
           || su_fail(err, SU_DENIED, "this needs streams:read too: the notebook holds what the decision was made on");
}

/* Stores it unless there is one of that name already: what somebody has changed in it stays. */
static bool store(struct request *request, const char *name, const json_t *notebook, bool *ret_is_new, struct su_err *err)
{
    const struct services *services = request_services(request);
    const struct object_put put = {.key = {.tenant = request_tenant(request), .name = name}, .user = request_identity(request)->user,
                                   .if_none_match = "*"};
    char etag[OBJECT_ETAG_SIZE];
    SU_AUTO_JSON json_t *info = NULL;
    size_t len;
    SU_AUTO_FREE char *text = notebook_text(notebook, &len);
    if (notebooks_put(services->notebooks, &put, (struct su_str){text, len}, &info, etag, ret_is_new, err)) {
        documents_stored_outside(services->documents, request_tenant(request), name, false);
        return true;
    }
    *ret_is_new = false;
    return err->code == SU_CONFLICT;
}

/* The watch that made it, as it is now; NULL: none did, or it is gone. */
static bool find_watch(struct request *request, const json_t *decision, json_t **ret, struct su_err *err)
{
    const char *name = su_json_string(decision, "watch", NULL);
    *ret = NULL;
    return name == NULL || watch_get(request_services(request)->watches, request_tenant(request), name, ret, err) || err->code == SU_NOT_FOUND;
}

static void post_investigate(struct request *request, struct reply *reply)
{
    struct su_err err;
    const struct services *services = request_services(request);
    SU_AUTO_JSON json_t *decision = NULL, *watch = NULL, *notebook = NULL;
    bool is_new;
    if (!may_read(request, &err) || !decision_get(services->store, request_tenant(request), request_param(request, "id"), &decision, &err)
        || !find_watch(request, decision, &watch, &err) || !investigate_notebook(decision, watch, &notebook, &err)) {
        reply_error(reply, &err);
        return;
    }
    SU_AUTO_FREE char *name = investigate_name(decision);
    if (!store(request, name, notebook, &is_new, &err)) {
        reply_error(reply, &err);
        return;
    }
    SU_AUTO_FREE char *href = su_format("/notebooks/%s", name);
    reply_json(reply, is_new ? 201 : 200, json_pack("{s:s, s:s}", "notebook", name, "href", href));
}

const struct route investigate_routes[] = {
    {"POST", "/v1/decisions/{id}/investigate", SCOPE_NOTEBOOKS_WRITE, post_investigate,
     .summary = "Make a notebook that shows a decision's window, once", .response = "Its name and address; 201 when it was made just now"},
    ROUTE_END};
