/* /v1/backups: a consistent copy while the server runs.  Layer api; handlers run on workers. */
#include "handler.h"
#include "routes.h"
#include "server.h"
#include "store/backup.h"

struct backup_body { const char *directory; };
static const struct su_field backup_fields[] = {
    SU_FIELD(struct backup_body, directory, SU_FIELD_TEXT, .is_required = true, .min = 1, .max = 4096,
             .help = "absolute path on the server's machine; new or empty"),
    SU_FIELD_END};

static bool check_directory(const struct services *services, const char *directory, struct su_err *err)
{
    struct su_str path = su_str_of(directory), data = su_str_of(store_dir(services->store));
    if (*directory != '/')
        return su_fail_field(err, SU_INVALID, "/directory", "directory: must be an absolute path on the server's machine");
    if (su_str_starts(path, data) && (path.len == data.len || path.ptr[data.len] == '/'))
        return su_fail_field(err, SU_INVALID, "/directory", "directory: must not be inside the data directory");
    return true;
}

static bool make(struct request *request, json_t **ret, struct su_err *err)
{
    const struct services *services = request_services(request);
    struct backup_body body = {0};
    if (!request_bind(request, backup_fields, &body, err) || !check_directory(services, body.directory, err))
        return false;
    if (!server_backup_begin(services->server))
        return su_fail(err, SU_CONFLICT, "a backup is under way");
    bool is_done = backup_make(services->store, body.directory, ret, err);
    server_backup_end(services->server);
    return is_done;
}

static void post_backup(struct request *request, struct reply *reply)
{
    struct su_err err;
    json_t *manifest;
    if (make(request, &manifest, &err))
        reply_json(reply, 201, manifest);
    else
        reply_error(reply, &err);
}

const struct route backups_routes[] = {
    {"POST", "/v1/backups", SCOPE_ADMIN, post_backup, BODY_JSON,
     .summary = "Copy the data directory, consistently, while the server runs", .request = backup_fields,
     .response = "the manifest: version, made_at, database_sha256, blobs, bytes", .success = 201},
    ROUTE_END};
