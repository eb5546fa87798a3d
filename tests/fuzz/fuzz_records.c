/* Tables at the command line: every row of CSV that is UTF-8 becomes one JSON object on one line.  Tests. */
#include "fuzz.h"

#include <sys/mman.h>
#include <unistd.h>

#include "base/json.h"
#include "cli/records.h"

static bool check(void *arg, struct su_str record, uint64_t number, struct su_err *err)
{
    const bool *is_table = arg;
    (void)number;
    FUZZ_HOLDS(!memchr(record.ptr, '\n', record.len));
    bool has_zero = memmem(record.ptr, record.len, "\\u0000", 6);   /* which no server takes */
    if (*is_table && su_utf8_valid(record) && !has_zero) {
        SU_AUTO_JSON json_t *object = NULL;
        FUZZ_HOLDS(su_json_parse(record, "row", &object, err) && json_is_object(object));
    }
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct su_err err = {.code = SU_INTERNAL};
    if (!size)
        return 0;
    enum records_format format = data[0] % RECORDS_FORMAT_COUNT;
    bool is_table = format == RECORDS_CSV;
    int fd = memfd_create("records", MFD_CLOEXEC);
    FUZZ_HOLDS(fd >= 0 && write(fd, data + 1, size - 1) == (ssize_t)size - 1 && lseek(fd, 0, SEEK_SET) == 0);
    RECORDS_AUTO struct records *records = records_new(format, fd, "input");
    enum records_state state = RECORDS_CAME;
    while (state != RECORDS_END && records_read(records, -1, check, &is_table, &state, &err))
        continue;
    close(fd);
    return 0;
}
