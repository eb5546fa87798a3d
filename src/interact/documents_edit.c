/* Edits of open notebooks, their journal, and the versions they become.  Layer interact.
 *
 * `documents` has a row for each open notebook that a later server must find: because it has a kernel, or edits that no
 * version holds.  `document_edits` is the journal: what each call applied, in the order of its number.  Storing a version
 * takes the edits it holds out of the journal in the same commit. */
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "documents_private.h"
#include "notebook.h"

const struct store_migration document_migrations[] = {
    {"document", 1,
     "CREATE TABLE documents (tenant TEXT NOT NULL, name TEXT NOT NULL, user TEXT NOT NULL, version INTEGER NOT NULL,"
     "  kernel TEXT NOT NULL, kernel_started_ms INTEGER NOT NULL, resume_seq INTEGER NOT NULL,"
     "  PRIMARY KEY (tenant, name)) STRICT, WITHOUT ROWID;"
     "CREATE TABLE document_edits (tenant TEXT NOT NULL, name TEXT NOT NULL, number INTEGER NOT NULL, edits TEXT NOT NULL,"
     "  PRIMARY KEY (tenant, name, number)) STRICT, WITHOUT ROWID;"},
    {"document", 2, "ALTER TABLE documents ADD COLUMN revisions TEXT NOT NULL DEFAULT '{}';"},
    {NULL, 0, NULL}};

/* ---- rows ---- */

bool documents_code(struct documents *documents, const char *tenant, const char *kernel, char **ret, struct su_err *err)
{
    STORE_READ(documents->store, db);
    SQL_AUTO_END struct sql_row *row =
        sql_query(db, err, "SELECT name FROM documents WHERE tenant = ?1 AND kernel = ?2", sql_text(tenant), sql_text(kernel));
    enum sql_next next = row ? sql_step(row, err) : SQL_ERROR;
    *ret = next == SQL_ROW ? su_format("open notebook %s", sql_col_text(row, 0)) : NULL;
    return next != SQL_ERROR;
}

struct row_job {
    const char *tenant, *name, *user;
    char kernel[KERNEL_ID_MAX + 1];
    int64_t version, started_ms, resume;
    char *revisions;
    bool is_kept; /* a row that is there stays as it is */
};

static void row_job_done(struct row_job *job) { free(job->revisions); }
#define AUTO_ROW_JOB SU_CLEANUP(row_job_done)

/* With the lock held: as things are. */
static struct row_job row_of(const struct open_document *open)
{
    SU_AUTO_JSON json_t *revisions = document_revisions(open->document);
    struct row_job job = {.tenant = open->tenant, .name = open->name, .user = open->user, .version = open->version,
                          .started_ms = open->kernel_started_ms, .resume = document_resume_seq(open->document, (int64_t)open->next_seq),
                          .revisions = su_json_text(revisions)};
    memcpy(job.kernel, open->kernel, sizeof job.kernel);
    return job;
}

static bool write_row(struct sql *db, void *arg, struct su_err *err)
{
    const struct row_job *job = arg;
    static const char replace[] = "INSERT OR REPLACE INTO documents VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
                      keep[] = "INSERT OR IGNORE INTO documents VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
    return sql_run(db, err, job->is_kept ? keep : replace, sql_text(job->tenant), sql_text(job->name), sql_text(job->user),
                   sql_int(job->version), sql_text(job->kernel), sql_int(job->started_ms), sql_int(job->resume), sql_text(job->revisions));
}

bool document_row(struct documents *documents, struct open_document *open, struct su_err *err)
{
    AUTO_ROW_JOB struct row_job job = row_of(open);
    if (!store_write(documents->store, write_row, &job, err))
        return false;
    open->has_row = true;
    open->row_is_old = false;
    return true;
}

static bool drop_row(struct sql *db, void *arg, struct su_err *err)
{
    const struct row_job *job = arg;
    return sql_run(db, err, "DELETE FROM documents WHERE tenant = ?1 AND name = ?2", sql_text(job->tenant), sql_text(job->name)) &&
           sql_run(db, err, "DELETE FROM document_edits WHERE tenant = ?1 AND name = ?2", sql_text(job->tenant), sql_text(job->name));
}

bool document_row_end(struct documents *documents, struct open_document *open, struct su_err *err)
{
    struct row_job job = {.tenant = open->tenant, .name = open->name};
    if (open->has_row && !store_write(documents->store, drop_row, &job, err))
        return false;
    open->has_row = open->row_is_old = false;
    return true;
}

/* With the lock held: is there no use for the row any more? */
static bool row_is_idle(const struct open_document *open) { return !*open->kernel && open->viewers == 0; }

static bool row_is_untidy(const struct open_document *open)
{
    return open->has_row && open->document && !open->is_changed && (open->row_is_old || row_is_idle(open));
}

bool documents_tidy_row(struct documents *documents, struct open_document *open, struct su_err *err)
{
    bool ok = true;
    su_lock(&open->lock);
    bool is_untidy = row_is_untidy(open);
    su_unlock(&open->lock);
    if (!is_untidy) /* whoever stores it now is not waited for */
        return true;
    su_lock(&open->order);
    su_lock(&open->lock);
    if (row_is_untidy(open) && !open->unwritten)
        ok = row_is_idle(open) ? document_row_end(documents, open, err) : document_row(documents, open, err);
    su_unlock(&open->lock);
    su_unlock(&open->order);
    return ok;
}

/* ---- loading ---- */

bool document_load(struct documents *documents, struct open_document *open, int64_t version, struct su_err *err)
{
    RUN_AUTO_SOURCE struct run_source source = {0};
    json_t *notebook;
    if (!notebooks_source(documents->notebooks, open->tenant, open->name, version, &source, err) ||
        !notebook_parse(su_buf_str(&source.text), &notebook, err))
        return false;
    document_free(open->document);
    open->document = document_new(notebook);
    open->version = source.version;
    open->saved_ms = su_now_ms();
    return true;
}

/* The journal of one document, applied whatever its revisions say: it was acknowledged. */
static bool apply_journal(struct documents *documents, struct sql *db, struct open_document *open, struct su_err *err)
{
    SQL_AUTO_END struct sql_row *row = sql_query(db, err, "SELECT edits, number FROM document_edits WHERE tenant = ?1 AND name = ?2 ORDER BY number",
                                                 sql_text(open->tenant), sql_text(open->name));
    enum sql_next next = SQL_ERROR;
    while (row && (next = sql_step(row, err)) == SQL_ROW) {
        SU_AUTO_JSON json_t *edits = json_loads(sql_col_text(row, 0), JSON_ALLOW_NUL, NULL);
        size_t i;
        json_t *edit;
        open->journal_number = sql_col_int(row, 1);
        json_array_foreach(edits, i, edit) {
            SU_AUTO_JSON json_t *told = NULL;
            struct su_err ignored;
            document_edit(open->document, edit, true, &told, &ignored);
            document_changed(open);
        }
    }
    return row && next == SQL_DONE;
}

static bool set_revisions(struct open_document *open, const char *text, struct su_err *err)
{
    SU_AUTO_JSON json_t *revisions = NULL;
    if (!su_json_parse(su_str_of(text), "revisions", &revisions, err))
        return false;
    document_set_revisions(open->document, revisions);
    return true;
}

/* A document of a server before this one: the version it was made of, its journal, and what its kernel has said since. */
static bool recover(struct documents *documents, struct sql *db, struct sql_row *row, struct su_err *err)
{
    struct open_document *open = document_new_open(documents, sql_col_text(row, 0), sql_col_text(row, 1), sql_col_text(row, 2));
    open->has_row = true;
    open->next = documents->first;
    documents->first = open;
    documents->count++;
    if (!document_load(documents, open, sql_col_int(row, 3), err) || !set_revisions(open, sql_col_text(row, 7), err) ||
        !apply_journal(documents, db, open, err)) {
        su_log_error("document.recover", err, su_kv_text("notebook", open->name));
        open->is_ended = true;
        return true; /* the notebook was deleted meanwhile; others are found all the same */
    }
    const char *kernel = sql_col_text(row, 4);
    if (!*kernel)
        return true;
    snprintf(open->kernel, sizeof open->kernel, "%s", kernel);
    open->kernel_started_ms = sql_col_int(row, 5);
    SU_LOCKED(&open->lock);
    if (!document_kernel_connect(documents, open, (uint64_t)sql_col_int(row, 6), err))
        document_kernel_end(documents, open, KERNEL_DEAD, "its keeper was gone when the server came back");
    return true;
}

bool documents_recover(struct documents *documents, struct su_err *err)
{
    STORE_READ(documents->store, db);
    SQL_AUTO_END struct sql_row *row = sql_query(
        db, err, "SELECT tenant, name, user, version, kernel, kernel_started_ms, resume_seq, revisions FROM documents");
    enum sql_next next = SQL_ERROR;
    while (row && (next = sql_step(row, err)) == SQL_ROW)
        if (!recover(documents, db, row, err))
            return false;
    return row && next == SQL_DONE;
}

/* ---- edits ---- */

struct journal_job { struct row_job row; bool has_row; int64_t number; const char *edits; };

static bool write_journal(struct sql *db, void *arg, struct su_err *err)
{
    struct journal_job *job = arg;
    return (job->has_row || write_row(db, &job->row, err)) &&
           sql_run(db, err, "INSERT INTO document_edits VALUES (?1, ?2, ?3, ?4)", sql_text(job->row.tenant), sql_text(job->row.name),
                   sql_int(job->number), sql_text(job->edits));
}

/* With the order held: what was told but is not on disk gets there. */
static bool write_edits(struct documents *documents, struct open_document *open, struct su_err *err)
{
    if (!open->unwritten)
        return true;
    SU_AUTO_FREE char *edits = su_json_text(open->unwritten);
    su_lock(&open->lock);
    AUTO_ROW_JOB struct row_job row = row_of(open);
    row.is_kept = true;
    struct journal_job job = {.row = row, .has_row = open->has_row, .number = open->journal_number + 1, .edits = edits};
    su_unlock(&open->lock);
    if (!store_write(documents->store, write_journal, &job, err))
        return false;
    json_decref(su_take(open->unwritten));
    open->journal_number = job.number;
    su_lock(&open->lock);
    open->has_row = true;
    su_unlock(&open->lock);
    return true;
}

struct editing { json_t *applied, *cells, *conflicts; };

static void note_cell(const struct open_document *open, struct editing *editing, const json_t *edit)
{
    const json_t *named = json_object_get(edit, "cell");
    const char *cell = json_is_object(named) ? su_json_string(named, "id", NULL) : json_string_value(named);
    int64_t revision = cell ? document_cell_revision(open->document, cell) : -1;
    if (revision >= 0)
        json_object_set_new(editing->cells, cell, json_integer(revision));
}

/* With the lock held.  What comes before a refused edit stays applied. */
static bool apply(struct open_document *open, const json_t *edits, struct editing *editing, struct su_err *err)
{
    size_t i;
    json_t *edit;
    json_array_foreach(edits, i, edit) {
        json_t *told;
        switch (document_edit(open->document, edit, false, &told, err)) {
        case DOCUMENT_REFUSED: return false;
        case DOCUMENT_CONFLICT: json_array_append_new(editing->conflicts, told); break;
        case DOCUMENT_APPLIED: json_array_append_new(editing->applied, told); __attribute__((fallthrough));
        case DOCUMENT_UNCHANGED: note_cell(open, editing, edit); break;
        }
    }
    return true;
}

/* With the order held.  *ret says what was applied also when a later edit was refused. */
static bool edit(struct open_document *open, const char *client, const json_t *edits, json_t **ret, struct su_err *err)
{
    struct editing editing = {json_array(), json_object(), json_array()};
    SU_LOCKED(&open->lock);
    bool is_taken = apply(open, edits, &editing, err);
    int64_t revision = document_revision(open->document);
    if (json_array_size(editing.applied) > 0) {
        open->unwritten = json_incref(editing.applied);
        document_changed(open);
        document_tell(open, json_pack("{s:s, s:I, s:s, s:O}", "type", "edit", "revision", (json_int_t)revision, "client", client, "edits",
                                      editing.applied));
    }
    json_decref(editing.applied);
    *ret = json_pack("{s:I, s:o, s:o}", "revision", (json_int_t)revision, "cells", editing.cells, "conflicts", editing.conflicts);
    return is_taken;
}

bool documents_edit(struct documents *documents, struct open_document *open, const char *client, const json_t *edits, json_t **ret,
                    struct su_err *err)
{
    if (json_array_size(edits) > DOCUMENT_EDITS_MAX)
        return su_fail_field(err, SU_LIMIT, "/edits", "edits: at most %d in one call", DOCUMENT_EDITS_MAX);
    SU_AUTO_JSON json_t *result = NULL;
    struct su_err refusal;
    su_lock(&open->order);
    bool ok = write_edits(documents, open, err); /* of a call before, which failed: nothing is built on what may be lost */
    bool is_taken = ok && edit(open, client, edits, &result, &refusal);
    ok = ok && write_edits(documents, open, err);
    su_unlock(&open->order);
    document_fire(documents, open);
    documents_wake(documents);
    if (ok && !is_taken)
        *err = refusal;
    if (!ok || !is_taken)
        return false;
    *ret = su_take(result);
    return true;
}

/* ---- versions ---- */

enum { TRIM_BYTES = 4 << 20 };

struct saving { struct row_job row; int64_t number; bool had_outputs; };

/* In the commit of the version: the journal up to it goes, and the row names it. */
static bool also_save(struct sql *db, void *arg, const struct object_info *info, struct su_err *err)
{
    const struct saving *saving = arg;
    const struct row_job *row = &saving->row;
    return sql_run(db, err, "DELETE FROM document_edits WHERE tenant = ?1 AND name = ?2 AND number <= ?3", sql_text(row->tenant),
                   sql_text(row->name), sql_int(saving->number)) &&
           sql_run(db, err, "UPDATE documents SET version = ?3, kernel = ?4, kernel_started_ms = ?5, resume_seq = ?6, revisions = ?7"
                   " WHERE tenant = ?1 AND name = ?2", sql_text(row->tenant), sql_text(row->name), sql_int(info->version),
                   sql_text(row->kernel), sql_int(row->started_ms), sql_int(row->resume), sql_text(row->revisions));
}

/* The notebook as text, without its largest outputs when it would be larger than notebooks may be. */
static char *text_of(const struct document *document, size_t *ret_len)
{
    static const size_t output_max[] = {SIZE_MAX, 1 << 20, 64 << 10, 0};
    char *text = NULL;
    for (size_t i = 0; i < SU_COUNT(output_max); i++) {
        SU_AUTO_JSON json_t *notebook = document_notebook(document, output_max[i]);
        free(text);
        text = notebook_text(notebook, ret_len);
        if (*ret_len <= NOTEBOOK_BYTES_MAX)
            break;
    }
    return text;
}

/* With the lock held: what is stored now, as text; freed by the caller. */
static char *begin_save(struct open_document *open, struct saving *ret, size_t *ret_len)
{
    *ret = (struct saving){row_of(open), open->journal_number, open->has_new_outputs};
    open->is_changed = open->has_new_outputs = open->saves_now = false;
    return text_of(open->document, ret_len);
}

/* With the order and the lock held. */
static void end_save(struct documents *documents, struct open_document *open, const struct saving *saving, const json_t *info)
{
    char at[SU_TIME_TEXT];
    if (!info) {
        document_changed(open);
        open->has_new_outputs |= saving->had_outputs;
        return;
    }
    open->version = su_json_int(info, "version", open->version);
    open->saved_ms = su_now_ms();
    open->row_is_old &= strcmp(open->kernel, saving->row.kernel) != 0;
    if (strcmp(saving->row.kernel, open->kernel) == 0)
        document_kernel_recorded(documents, open, saving->row.resume - 1);
    json_decref(su_take(open->unwritten));
    document_tell(open, json_pack("{s:s, s:I, s:s}", "type", "saved", "version", (json_int_t)open->version, "at", su_time_text(open->saved_ms, at)));
}

/* With the order held. */
static bool save(struct documents *documents, struct open_document *open, struct su_err *err)
{
    struct saving saving;
    size_t len;
    SU_AUTO_JSON json_t *info = NULL;
    char etag[OBJECT_ETAG_SIZE];
    bool is_new;
    su_lock(&open->lock);
    if (!open->document || !open->is_changed) {
        su_unlock(&open->lock);
        return true;
    }
    SU_AUTO_FREE char *text = begin_save(open, &saving, &len);
    su_unlock(&open->lock);
    const struct object_put put = {.key = {.tenant = open->tenant, .name = open->name}, .user = open->user, .also = also_save, .also_arg = &saving};
    bool ok = notebooks_put(documents->notebooks, &put, (struct su_str){text, len}, &info, etag, &is_new, err);
    su_lock(&open->lock);
    end_save(documents, open, &saving, ok ? info : NULL);
    su_unlock(&open->lock);
    row_job_done(&saving.row);
    free(su_take(text));
    if (len > TRIM_BYTES)
        malloc_trim(0); /* several copies of it were made, which the C library would keep */
    return ok;
}

bool documents_save(struct documents *documents, struct open_document *open, int64_t *ret_version, struct su_err *err)
{
    su_lock(&open->order);
    bool ok = save(documents, open, err);
    su_lock(&open->lock);
    *ret_version = open->version;
    su_unlock(&open->lock);
    su_unlock(&open->order);
    document_fire(documents, open);
    return ok;
}

bool documents_end(struct documents *documents, struct open_document *open, bool is_deleted, struct su_err *err)
{
    su_lock(&open->order);
    bool ok = is_deleted || save(documents, open, err);
    su_lock(&open->lock);
    if (ok)
        document_kernel_end(documents, open, KERNEL_NONE, NULL);
    if (is_deleted) {
        open->is_changed = false;
        open->is_ended = true;
        json_decref(su_take(open->unwritten));
        document_tell(open, json_pack("{s:s}", "type", "deleted"));
    }
    su_unlock(&open->lock);
    ok = ok && (is_deleted || save(documents, open, err)) && document_row_end(documents, open, err);
    su_unlock(&open->order);
    document_fire(documents, open);
    return ok;
}
