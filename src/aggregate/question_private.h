/* What the files of questions share.  Layer aggregate. */
#pragma once
#include "base/fs.h"
#include "question.h"
#include "table.h"

/* SU_NOT_FOUND: no such object; SU_INVALID: it is no table. */
bool object_as_table(const struct question_sources *sources, const char *tenant, const char *name,
                     struct query_table *ret, struct su_err *err);
