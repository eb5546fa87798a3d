/* A table in a file as JSON rows: see rows.h.  Layer cli; main thread. */
#include "cli/rows.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "cli/records.h"

struct rows { json_t *list; const char *file; };

static bool take(void *arg, struct su_str text, uint64_t number, struct su_err *err)
{
    struct rows *rows = arg;
    SU_AUTO_JSON json_t *row = NULL;
    if (number > ROWS_SENT_MAX)
        return su_fail(err, SU_LIMIT, "%s has more than %d rows", rows->file, ROWS_SENT_MAX);
    if (!su_json_parse(text, "row", &row, err))
        return su_prefix(err, "%s, row %llu", rows->file, (unsigned long long)number);
    if (!json_is_object(row))
        return su_fail(err, SU_INVALID, "%s, row %llu: must be an object of fields", rows->file, (unsigned long long)number);
    json_array_append(rows->list, row);
    return true;
}

bool rows_read(const char *file, json_t **ret, struct su_err *err)
{
    bool is_input = strcmp(file, "-") == 0, done;
    enum records_state state;
    SU_AUTO_JSON json_t *list = json_array();
    struct rows rows = {list, file};
    int fd = is_input ? STDIN_FILENO : open(file, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return su_fail_errno(err, errno, "%s", file);
    RECORDS_AUTO struct records *records = records_new(records_format_guess(file, NULL), fd, file);
    do
        done = records_read(records, -1, take, &rows, &state, err);
    while (done && state != RECORDS_END);
    if (!is_input)
        close(fd);
    if (done)
        *ret = su_take(list);
    return done;
}
