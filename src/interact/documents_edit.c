/* Edits of open notebooks, their journal, and the versions they become.  Layer interact.
 *
 * `documents` has a row for each open notebook that a later server must find: because it has a kernel, or edits that no
 * version holds.  `document_edits` is the journal: what each call applied, in the order of its number.  Storing a version
 * takes the edits it holds out of the journal in the same commit. */
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
    {NULL, 0, NULL}};

/* ---- rows ---- */

struct row_job { const char *tenant, *name, *user, *kernel; int64_t version, started_ms, resume; };

static bool write_row(struct sql *db, void *arg, struct su_err *err)
{
    const struct row_job *job = arg;
    return sql_run(db, err, "INSERT OR REPLACE INTO documents VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)", sql_text(job->tenant), sql_text(job->name),
                   sql_text(job->user), sql_int(job->version), sql_text(job->kernel), sql_int(job->started_ms), sql_int(job->resume));
}

bool document_row(struct documents *documents, struct open_document *open, struct su_err *err)
{
    struct row_job job = {open->tenant, open->name, open->user, open->kernel, open->version, open->kernel_started_ms,
                          document_resume_seq(open->document, (int64_t)open->next_seq)};
    open->has_row = store_write(documents->store, write_row, &job, err);
    return open->has_row;
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
    open->has_row = false;
    return true;
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

struct found { struct documents *documents; };

/* The journal of one document, applied whatever its revisions say: it was acknowledged. */
static bool apply_journal(struct documents *documents, struct sql *db, struct open_document *open, struct su_err *err)
{
    SQL_AUTO_END struct sql_row *row = sql_query(db, err, "SELECT edits FROM document_edits WHERE tenant = ?1 AND name = ?2 ORDER BY number",
                                                 sql_text(open->tenant), sql_text(open->name));
    enum sql_next next = SQL_ERROR;
    while (row && (next = sql_step(row, err)) == SQL_ROW) {
        SU_AUTO_JSON json_t *edits = json_loads(sql_col_text(row, 0), JSON_ALLOW_NUL, NULL);
        size_t i;
        json_t *edit;
        json_array_foreach(edits, i, edit) {
            SU_AUTO_JSON json_t *told = NULL;
            struct su_err ignored;
            document_edit(open->document, edit, true, &told, &ignored);
            document_changed(open);
        }
    }
    return row && next == SQL_DONE;
}

/* A document of a server before this one: the version it was made of, its journal, and what its kernel has said since. */
static bool recover(struct documents *documents, struct sql *db, struct sql_row *row, struct su_err *err)
{
    struct open_document *open = document_new_open(documents, sql_col_text(row, 0), sql_col_text(row, 1), sql_col_text(row, 2));
    open->has_row = true;
    open->next = documents->first;
    documents->first = open;
    documents->count++;
    if (!document_load(documents, open, sql_col_int(row, 3), err) || !apply_journal(documents, db, open, err)) {
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
    SQL_AUTO_END struct sql_row *row = sql_query(db, err, "SELECT tenant, name, user, version, kernel, kernel_started_ms, resume_seq FROM documents");
    enum sql_next next = SQL_ERROR;
    while (row && (next = sql_step(row, err)) == SQL_ROW)
        if (!recover(documents, db, row, err))
            return false;
    return row && next == SQL_DONE;
}

/* ---- edits ---- */

struct journal_job { struct row_job row; bool has_row; int64_t number; char *edits; };

static bool write_journal(struct sql *db, void *arg, struct su_err *err)
{
    struct journal_job *job = arg;
    return (job->has_row || write_row(db, &job->row, err)) &&
           sql_run(db, err, "INSERT INTO document_edits VALUES (?1, ?2, ?3, ?4)", sql_text(job->row.tenant), sql_text(job->row.name),
                   sql_int(job->number), sql_text(job->edits));
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

bool documents_edit(struct documents *documents, struct open_document *open, const char *client, const json_t *edits, json_t **ret,
                    struct su_err *err)
{
    if (json_array_size(edits) > DOCUMENT_EDITS_MAX)
        return su_fail_field(err, SU_LIMIT, "/edits", "edits: at most %d in one call", DOCUMENT_EDITS_MAX);
    struct editing editing = {json_array(), json_object(), json_array()};
    struct journal_job job = {0};
    struct su_err refusal;
    su_lock(&open->lock);
    bool is_taken = apply(open, edits, &editing, &refusal);
    job.number = document_revision(open->document);
    bool is_changed = json_array_size(editing.applied) > 0;
    if (is_changed) {
        job.row = (struct row_job){open->tenant, open->name, open->user, open->kernel, open->version, open->kernel_started_ms,
                                   document_resume_seq(open->document, (int64_t)open->next_seq)};
        job.has_row = open->has_row;
        job.edits = su_json_text(editing.applied);
        document_changed(open);
        document_tell(open, json_pack("{s:s, s:I, s:s, s:O}", "type", "edit", "revision", (json_int_t)job.number, "client", client, "edits",
                                      editing.applied));
        open->has_row = true;
    }
    su_unlock(&open->lock);
    bool is_on_disk = !is_changed || store_write(documents->store, write_journal, &job, err);
    free(job.edits);
    json_decref(editing.applied);
    if (is_changed) {
        document_fire(documents, open);
        documents_wake(documents);
    }
    *ret = json_pack("{s:I, s:o, s:o}", "revision", (json_int_t)job.number, "cells", editing.cells, "conflicts", editing.conflicts);
    if (is_on_disk && is_taken)
        return true;
    json_decref(su_take(*ret));
    if (is_on_disk)
        *err = refusal;
    return false;
}

/* ---- versions ---- */

struct saving { struct open_document *open; int64_t number, resume; char kernel[KERNEL_ID_MAX + 1]; };

/* In the commit of the version: the journal up to it goes, and the row names it. */
static bool also_save(struct sql *db, void *arg, const struct object_info *info, struct su_err *err)
{
    const struct saving *saving = arg;
    const struct open_document *open = saving->open;
    return sql_run(db, err, "DELETE FROM document_edits WHERE tenant = ?1 AND name = ?2 AND number <= ?3", sql_text(open->tenant),
                   sql_text(open->name), sql_int(saving->number)) &&
           sql_run(db, err, "UPDATE documents SET version = ?3, resume_seq = ?4 WHERE tenant = ?1 AND name = ?2", sql_text(open->tenant),
                   sql_text(open->name), sql_int(info->version), sql_int(saving->resume));
}

/* With the lock held: what is stored now, a new reference. */
static json_t *begin_save(struct open_document *open, struct saving *saving)
{
    *saving = (struct saving){open, document_revision(open->document), document_resume_seq(open->document, (int64_t)open->next_seq), ""};
    memcpy(saving->kernel, open->kernel, sizeof saving->kernel);
    open->is_saving = true;
    open->is_changed = false;
    return document_notebook(open->document);
}

bool documents_save(struct documents *documents, struct open_document *open, int64_t *ret_version, struct su_err *err)
{
    struct saving saving;
    SU_AUTO_JSON json_t *info = NULL;
    char etag[OBJECT_ETAG_SIZE];
    bool is_new;
    su_lock(&open->lock);
    if (open->is_saving || !open->document || !open->is_changed) {
        *ret_version = open->version;
        su_unlock(&open->lock);
        return true;
    }
    SU_AUTO_JSON json_t *notebook = begin_save(open, &saving);
    su_unlock(&open->lock);
    const struct object_put put = {.key = {.tenant = open->tenant, .name = open->name}, .user = open->user, .also = also_save, .also_arg = &saving};
    bool ok = notebook_check(notebook, err) && notebooks_put_json(documents->notebooks, &put, notebook, &info, etag, &is_new, err);
    su_lock(&open->lock);
    open->is_saving = false;
    open->is_changed |= !ok;
    if (ok) {
        char at[SU_TIME_TEXT];
        open->version = su_json_int(info, "version", open->version);
        open->saved_ms = su_now_ms();
        if (strcmp(saving.kernel, open->kernel) == 0)
            document_kernel_recorded(documents, open, saving.resume - 1);
        document_tell(open, json_pack("{s:s, s:I, s:s}", "type", "saved", "version", (json_int_t)open->version, "at", su_time_text(open->saved_ms, at)));
    } else {
        document_changed(open);
    }
    *ret_version = open->version;
    bool is_done = ok && !open->is_changed && open->viewers == 0 && open->kernel_state == KERNEL_NONE;
    su_unlock(&open->lock);
    document_fire(documents, open);
    return ok && (!is_done || document_row_end(documents, open, err));
}

bool documents_end(struct documents *documents, struct open_document *open, bool is_deleted, struct su_err *err)
{
    int64_t version;
    su_lock(&open->lock);
    document_kernel_end(documents, open, KERNEL_NONE, NULL);
    if (is_deleted) {
        open->is_changed = false;
        open->is_ended = true;
        document_tell(open, json_pack("{s:s}", "type", "deleted"));
    }
    su_unlock(&open->lock);
    document_fire(documents, open);
    return (is_deleted || documents_save(documents, open, &version, err)) && document_row_end(documents, open, err);
}
