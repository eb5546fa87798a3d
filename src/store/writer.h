/* The writer thread: jobs that wait share one synced commit.  Private to layer store; see store_write in store.h. */
#pragma once
#include "store.h"

struct writer;
/* Owns db from here on; its thread is the only one that uses it. on_commit is called after each commit, when its
 * jobs are answered, on the writer thread. */
struct writer *writer_new(struct sql *db, void (*on_commit)(void *arg, struct sql *db), void *arg);
void writer_free(struct writer *writer);                 /* finishes queued jobs */
bool writer_run(struct writer *writer, store_job *job, void *arg, struct su_err *err);
void writer_run_later(struct writer *writer, store_job *job, store_done *done, void *arg);
void writer_stats(struct writer *writer, struct store_stats *ret);
