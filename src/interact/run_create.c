/* Accepting a run: what is checked before it stands in line.  Layer interact; any thread. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/fs.h"
#include "notebook.h"
#include "parameters.h"
#include "run_private.h"
#include "store/blob.h"

/* As given; 0: not given. */
struct limits_given { int64_t time_s, memory_mb, processes, scratch_mb, output_mb; };

const struct su_field run_limit_fields[] = {
    SU_FIELD(struct limits_given, time_s, SU_FIELD_INT, .min = 1, .max = 30 * 86400,
             .help = "seconds from the first cell to the end"),
    SU_FIELD(struct limits_given, memory_mb, SU_FIELD_INT, .min = 64, .max = 1 << 20,
             .help = "memory of all processes of the run, MiB"),
    SU_FIELD(struct limits_given, processes, SU_FIELD_INT, .min = 8, .max = 4096,
             .help = "processes and threads at the same time"),
    SU_FIELD(struct limits_given, scratch_mb, SU_FIELD_INT, .min = 1, .max = 1 << 20,
             .help = "files the run may write, MiB"),
    SU_FIELD(struct limits_given, output_mb, SU_FIELD_INT, .min = 1, .max = 1024,
             .help = "output the run may make, MiB"),
    SU_FIELD_END,
};

static bool read_limits(const json_t *given, bool follow, char **ret, struct su_err *err)
{
    const struct kernel_limits *standard = &compute_limits_default;
    struct limits_given limits = {.time_s = standard->time_s,
                                  .memory_mb = (int64_t)(standard->memory_bytes >> 20),
                                  .processes = standard->processes,
                                  .scratch_mb = (int64_t)(standard->scratch_bytes >> 20),
                                  .output_mb = (int64_t)(standard->output_bytes >> 20)};
    if (given && !su_json_bind(given, run_limit_fields, &limits, err)) {
        char field[sizeof err->field];
        snprintf(field, sizeof field, "/limits%.80s", err->field);
        memcpy(err->field, field, sizeof field);
        return su_prefix(err, "limits");
    }
    if (follow && json_object_get(given, "time_s"))
        return su_fail_field(err, SU_INVALID, "/limits/time_s", "limits.time_s: a run that follows has no time limit; leave it out");
    SU_AUTO_JSON json_t *all =
        json_pack("{s:I, s:I, s:I, s:I, s:I}", "time_s", (json_int_t)limits.time_s, "memory_mb",
                  (json_int_t)limits.memory_mb, "processes", (json_int_t)limits.processes, "scratch_mb",
                  (json_int_t)limits.scratch_mb, "output_mb", (json_int_t)limits.output_mb);
    if (follow)
        json_object_set_new(all, "time_s", json_null());
    *ret = su_json_text(all);
    return true;
}

static bool check_options(const struct run_options *options, struct su_err *err)
{
    if (options->retries < 0 || options->retries > RUN_RETRIES_MAX)
        return su_fail_field(err, SU_INVALID, "/retries", "retries: must be 0..%d, was %lld", RUN_RETRIES_MAX,
                             (long long)options->retries);
    if (options->label && strlen(options->label) > RUN_LABEL_MAX)
        return su_fail_field(err, SU_INVALID, "/label", "label: at most %d bytes", RUN_LABEL_MAX);
    return true;
}

/* The values to inject: those given, in the notebook's own types; a recipe's object among them. */
static bool read_parameters(const struct run_source *source, const json_t *given, char **ret, struct su_err *err)
{
    SU_AUTO_JSON json_t *notebook = NULL;
    if (!notebook_parse(su_buf_str(&source->text), &notebook, err) || !notebook_check_kernel(notebook, err))
        return false;
    SU_AUTO_JSON json_t *declared = parameters_discover(notebook);
    SU_AUTO_JSON json_t *all = given ? json_copy((json_t *)(uintptr_t)given) : json_object();
    SU_AUTO_JSON json_t *values = NULL;
    if (source->object)
        json_object_set_new(all, "object", json_string(source->object));
    if (!parameters_check(declared, all, &values, err))
        return false;
    *ret = su_json_text(values);
    return true;
}

/* A shipped recipe's text may not be among the blobs yet. */
static bool ensure_blob(struct runs *runs, const struct run_source *source, struct blob_writer **ret_guard,
                        struct su_err *err)
{
    int fd = -1;
    uint64_t size;
    char sha256[SU_SHA256_HEX];
    if (blob_open(store_blobs(runs->store), source->sha256, &fd, &size, err)) {
        su_close_fd(&fd);
        return true;
    }
    return blob_put(store_blobs(runs->store), su_buf_str(&source->text), sha256, ret_guard, err);
}

static bool store_run(struct runs *runs, struct run_insert *insert, struct su_err *err)
{
    BLOB_AUTO_WRITER struct blob_writer *guard = NULL, *again = NULL;
    if (!ensure_blob(runs, insert->source, &guard, err) || !runs_enqueue(runs, insert, err))
        return false;
    /* Deleted between our look and the commit that holds it?  Then it is put back. */
    return guard != NULL || ensure_blob(runs, insert->source, &again, err);
}

bool run_create(struct runs *runs, const char *tenant, const char *user, const struct run_source *source,
    const struct run_options *options, char ret_id[static SU_ID_SIZE], struct su_err *err)
{
    SU_AUTO_FREE char *limits = NULL, *parameters = NULL;
    if (!check_options(options, err) || !read_limits(options->limits, options->follow, &limits, err)
        || !read_parameters(source, options->parameters, &parameters, err))
        return false;
    char id[SU_ID_SIZE];
    struct run_insert insert = {.tenant = tenant,
                                .id = su_id(id),
                                .user = user,
                                .source = source,
                                .options = options,
                                .parameters = parameters,
                                .limits = limits,
                                .created_ms = su_now_ms()};
    if (!store_run(runs, &insert, err))
        return false;
    memcpy(ret_id, insert.known[0] ? insert.known : id, sizeof id);
    return true;
}

/* The original's source, from its own hold on the content: the notebook may have been deleted since. */
static bool source_of(struct runs *runs, const struct run_row *row, const json_t *run, struct run_source *ret,
                      struct su_err *err)
{
    ret->notebook = su_strdup(row->notebook);
    ret->version = su_json_int(json_object_get(run, "notebook"), "version", 0);
    memcpy(ret->sha256, row->source_sha256, sizeof ret->sha256);
    ret->recipe = su_strdup(row->recipe);
    ret->recipe_version = su_strdup(su_json_string(json_object_get(run, "recipe"), "version", NULL));
    ret->object = su_strdup(row->object);
    ret->text = SU_BUF(NOTEBOOK_BYTES_MAX);
    return blob_read(store_blobs(runs->store), row->source_sha256, NOTEBOOK_BYTES_MAX, &ret->text, err);
}

bool run_replay(struct runs *runs, const char *tenant, const char *user, const char *id, char ret_id[static SU_ID_SIZE],
                struct su_err *err)
{
    RUN_AUTO_ROW struct run_row row = {0};
    RUN_AUTO_SOURCE struct run_source source = {0};
    SU_AUTO_JSON json_t *run = NULL;
    {
        STORE_READ(runs->store, db);
        if (!run_table_get(db, tenant, id, &row, err) || !run_table_json(db, tenant, id, &run, err))
            return false;
    }
    if (!run_state_is_final(row.state))
        return su_fail(err, SU_CONFLICT, "the run has not ended yet: %s", run_state_name(row.state));
    if (!source_of(runs, &row, run, &source, err))
        return false;
    if (row.is_follow)
        json_object_del(row.limits, "time_s");
    const struct run_options options = {.parameters = row.parameters,
                                        .limits = row.limits,
                                        .follow = row.is_follow,
                                        .network = row.is_network,
                                        .retries = row.retries,
                                        .label = su_json_string(run, "label", NULL),
                                        .replay_of = row.id};
    return run_create(runs, tenant, user, &source, &options, ret_id, err);
}
