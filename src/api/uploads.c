/* /v1/uploads: objects sent in pieces that survive a lost connection.  Layer api; handlers run on workers. */
#include <stdlib.h>
#include <string.h>
#include "aggregate/upload.h"
#include "handler.h"
#include "routes.h"

static struct uploads *service(const struct request *request) { return request_services(request)->uploads; }

struct start_body { const char *name, *type, *last_modified; json_t *tags; int64_t size; };
static const struct su_field start_fields[] = {
    SU_FIELD(struct start_body, name, SU_FIELD_TEXT, .is_required = true, .min = 1, .max = OBJECT_NAME_MAX, .help = "The object it becomes a version of"),
    SU_FIELD(struct start_body, size, SU_FIELD_INT, .is_required = true, .min = 0, .max = 9007199254740991.0, .help = "Bytes of the whole"),
    SU_FIELD(struct start_body, type, SU_FIELD_TEXT, .min = 1, .max = OBJECT_TYPE_MAX, .help = "Media type; absent: as the name's ending says"),
    SU_FIELD(struct start_body, tags, SU_FIELD_LIST, .help = "The name's tags; absent: as they are"),
    SU_FIELD(struct start_body, last_modified, SU_FIELD_TEXT, .min = 1, .max = 64, .help = "When the file was changed last, kept in the version's metadata"),
    SU_FIELD_END};

static void reply_upload(struct request *request, struct reply *reply, const char *id, int status)
{
    struct su_err err;
    json_t *upload;
    if (!upload_get(service(request), request_tenant(request), id, &upload, &err)) {
        reply_error(reply, &err);
        return;
    }
    reply_header(reply, "Upload-Offset", "%lld", (long long)su_json_int(upload, "offset", 0));
    if (status == 201)
        reply_header(reply, "Location", "/v1/uploads/%s", id);
    reply_json(reply, status, upload);
}

static void post_upload(struct request *request, struct reply *reply)
{
    struct su_err err;
    struct start_body body = {0};
    const struct identity *who = request_identity(request);
    char id[SU_ID_SIZE];
    if (!request_bind(request, start_fields, &body, &err)) {
        reply_error(reply, &err);
        return;
    }
    SU_AUTO_JSON json_t *metadata = body.last_modified ? json_pack("{s:s}", "last_modified", body.last_modified) : NULL;
    const struct upload_start start = {.tenant = who->tenant, .user = who->user, .name = body.name,
                                       .type = body.type ? body.type : object_type_of_name(body.name), .tags = body.tags,
                                       .metadata = metadata, .size = (uint64_t)body.size};
    if (upload_create(service(request), &start, id, &err))
        reply_upload(request, reply, id, 201);
    else
        reply_error(reply, &err);
}

static void get_upload(struct request *request, struct reply *reply)
{
    reply_upload(request, reply, request_param(request, "id"), 200);
}

static void delete_upload(struct request *request, struct reply *reply)
{
    struct su_err err;
    if (upload_drop(service(request), request_tenant(request), request_param(request, "id"), &err))
        reply_empty(reply, 204);
    else
        reply_error(reply, &err);
}

/* --- bytes ------------------------------------------------------------- */

enum { DISCARD_MAX = 32 << 20 };

struct piece {
    struct upload_append *append;
    uint64_t given;                 /* Upload-Offset of the request */
    size_t discarded;               /* bytes that came for a wrong offset */
};

static bool is_misplaced(const struct piece *piece) { return piece->given != upload_append_offset(piece->append); }

static bool fail_misplaced(const struct piece *piece, struct su_err *err)
{
    unsigned long long offset = upload_append_offset(piece->append);
    su_fail_field(err, SU_CONFLICT, "Upload-Offset", "the upload has %llu bytes so far, the body was to begin at %llu", offset,
                  (unsigned long long)piece->given);
    return su_hint(err, "Go on from byte %llu.", offset);
}

static bool piece_begin(struct request *request, void **ret_state, struct su_err *err)
{
    const char *header = request_header(request, "Upload-Offset");
    uint64_t given;
    if (header == NULL || !su_str_u64(su_str_of(header), INT64_MAX, &given))
        return su_fail_field(err, SU_INVALID, "Upload-Offset", "Upload-Offset: must say at which byte the body begins");
    struct upload_append *append;
    if (!upload_append_open(service(request), request_tenant(request), request_param(request, "id"), &append, err))
        return false;
    struct piece *piece = su_alloc(sizeof *piece);
    *piece = (struct piece){.append = append, .given = given};
    *ret_state = piece;
    return true;
}

/* The answer to a wrong offset holds the right one, so it is given at the end; a long body is not waited for. */
static bool piece_add(struct request *request, void *state, const void *data, size_t len, struct su_err *err)
{
    (void)request;
    struct piece *piece = state;
    if (piece->discarded == 0 && !is_misplaced(piece)) {
        if (!upload_append_add(piece->append, data, len, err))
            return false;
        piece->given = upload_append_offset(piece->append);     /* it may have been noted meanwhile */
        return true;
    }
    piece->discarded += len;
    return piece->discarded <= DISCARD_MAX || fail_misplaced(piece, err);
}

static void piece_abort(void *state)
{
    struct piece *piece = state;
    upload_append_close(piece->append);
    free(piece);
}

static void reply_misplaced(struct reply *reply, const struct piece *piece)
{
    struct su_err err;
    unsigned long long offset = upload_append_offset(piece->append);
    fail_misplaced(piece, &err);
    reply_error_with(reply, &err, "offset", json_integer((json_int_t)offset));
    reply_header(reply, "Upload-Offset", "%llu", offset);
}

static void reply_done(struct reply *reply, struct piece *piece)
{
    struct su_err err;
    OBJECT_AUTO_INFO struct object_info info = {0};
    if (!upload_append_finish(piece->append, &info, &err)) {
        reply_error(reply, &err);
        return;
    }
    object_reply_location(reply, info.name);
    reply_header(reply, "Upload-Offset", "%llu", (unsigned long long)upload_append_offset(piece->append));
    reply_etag(reply, info.etag);
    reply_json(reply, 201, object_info_json(&info));
}

static void piece_finish(struct request *request, void *state, struct reply *reply)
{
    (void)request;
    struct su_err err;
    struct piece *piece = state;
    if (piece->discarded > 0 || is_misplaced(piece))
        reply_misplaced(reply, piece);
    else if (!upload_append_settle(piece->append, &err))
        reply_error(reply, &err);
    else if (upload_append_is_whole(piece->append))
        reply_done(reply, piece);
    else {
        reply_empty(reply, 204);
        reply_header(reply, "Upload-Offset", "%llu", (unsigned long long)upload_append_offset(piece->append));
    }
    piece_abort(piece);
}

static const struct upload_ops piece_ops = {piece_begin, piece_add, piece_finish, piece_abort};

const struct route uploads_routes[] = {
    {.method = "POST", .path = "/v1/uploads", .scope = SCOPE_OBJECTS_WRITE, .handle = post_upload, .body = BODY_JSON,
     .request = start_fields, .success = 201, .summary = "Begin an upload in pieces", .response = "The upload, with its offset"},
    {.method = "GET", .path = "/v1/uploads/{id}", .scope = SCOPE_OBJECTS_WRITE, .handle = get_upload,
     .summary = "How far an upload has come", .response = "The upload"},
    {.method = "PATCH", .path = "/v1/uploads/{id}", .scope = SCOPE_OBJECTS_WRITE, .body = BODY_STREAM, .upload = &piece_ops, .success = 204,
     .summary = "The bytes from Upload-Offset on", .response = "Upload-Offset; with the last byte 201 and the object"},
    {.method = "DELETE", .path = "/v1/uploads/{id}", .scope = SCOPE_OBJECTS_WRITE, .handle = delete_upload, .success = 204,
     .summary = "Drop an upload", .response = "Nothing"},
    ROUTE_END};
