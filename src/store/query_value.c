/* What a column of a query's table holds in one row: fields by path, made to be of one kind, and the messages' own
 * columns.  Layer store. */
#include "query_private.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "block_form.h"

static bool is_scalar(enum block_kind kind) { return kind == BLOCK_INT || kind == BLOCK_FLOAT || kind == BLOCK_TEXT; }

const struct block_column *field_column(const struct block *block, const struct relation_field *field)
{
    if (!is_scalar(field->kind))
        return block_field_column(block, field->path, field->kind);
    const struct block_column *column = block_field_column(block, field->path, 0);
    return column && is_scalar(column->kind) ? column : NULL;
}

/* Days since 1970 to a date: Howard Hinnant's civil_from_days. */
static void put_date(int64_t days, char *text)
{
    int64_t z = days + 719468, era = (z >= 0 ? z : z - 146096) / 146097;
    unsigned doe = (unsigned)(z - era * 146097), yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    unsigned doy = doe - (365 * yoe + yoe / 4 - yoe / 100), mp = (5 * doy + 2) / 153;
    unsigned day = doy - (153 * mp + 2) / 5 + 1, month = mp < 10 ? mp + 3 : mp - 9;
    int64_t year = (int64_t)yoe + era * 400 + (month <= 2);
    if (year < 0 || year > 9999)
        year = year < 0 ? 0 : 9999;
    for (int i = 3; i >= 0; i--, year /= 10)
        text[i] = (char)('0' + year % 10);
    text[4] = text[7] = '-';
    text[5] = (char)('0' + month / 10), text[6] = (char)('0' + month % 10);
    text[8] = (char)('0' + day / 10), text[9] = (char)('0' + day % 10);
}

static void put_digits(char *text, unsigned value, int count)
{
    for (int i = count - 1; i >= 0; i--, value /= 10)
        text[i] = (char)('0' + value % 10);
}

size_t query_time_text(int64_t us, char text[static QUERY_SCRATCH])
{
    enum { DAY_S = 86400, LENGTH = 27 };
    int64_t seconds = us / 1000000 - (us % 1000000 < 0), days = seconds / DAY_S - (seconds % DAY_S < 0);
    unsigned micro = (unsigned)(us - seconds * 1000000), second = (unsigned)(seconds - days * DAY_S);
    memcpy(text, "0000-00-00T00:00:00.000000Z", LENGTH + 1);
    put_date(days, text);
    put_digits(text + 11, second / 3600, 2);
    put_digits(text + 14, second / 60 % 60, 2);
    put_digits(text + 17, second % 60, 2);
    put_digits(text + 20, micro, 6);
    return LENGTH;
}

static struct block_value int_value(int64_t value) { return (struct block_value){.kind = BLOCK_INT, .integer = value}; }
static struct block_value text_value(struct su_str text)
{
    return (struct block_value){.kind = BLOCK_TEXT, .text = text};
}

/* The same value as another kind would hold it. */
static struct block_value as_kind(struct block_value value, enum block_kind kind, char scratch[static QUERY_SCRATCH],
                                  bool *ret_is_lasting)
{
    if (value.kind == BLOCK_BOOL)
        return int_value(value.integer);
    if (value.kind == BLOCK_FLOAT && isnan(value.number))
        return (struct block_value){0};
    if (value.kind == BLOCK_INT && kind == BLOCK_FLOAT)
        return (struct block_value){.kind = BLOCK_FLOAT, .number = (double)value.integer};
    if ((value.kind != BLOCK_INT && value.kind != BLOCK_FLOAT) || kind != BLOCK_TEXT)
        return value.kind == BLOCK_JSON ? text_value(value.text) : value;
    *ret_is_lasting = false;
    if (value.kind == BLOCK_FLOAT) {
        char number[FORM_NUMBER_MAX];
        struct su_str text = form_number_text(value.number, number);
        size_t len = text.len < QUERY_SCRATCH ? text.len : QUERY_SCRATCH - 1;
        memcpy(scratch, text.ptr, len);
        return text_value((struct su_str){scratch, len});
    }
    int len = snprintf(scratch, QUERY_SCRATCH, "%lld", (long long)value.integer);
    return text_value((struct su_str){scratch, (size_t)len});
}

static struct block_value time_value(const struct block *block, enum block_role role, uint32_t row, char *scratch)
{
    const struct block_column *column = block_role_column(block, role);
    if (!column || block_is_null(column, row))
        return (struct block_value){0};
    int64_t us = block_int(column, row);
    if (!scratch)
        return int_value(us);
    return text_value((struct su_str){scratch, query_time_text(us, scratch)});
}

static struct block_value text_of(const struct block *block, enum block_role role, uint32_t row)
{
    const struct block_column *column = block_role_column(block, role);
    return column && !block_is_null(column, row) ? text_value(block_text(column, row)) : (struct block_value){0};
}

static struct block_value body_of(const struct relation *relation, struct block *block, uint32_t row)
{
    struct su_err err;
    struct su_str body;
    if (!block_role_column(block, BLOCK_BODY))
        return (struct block_value){0};
    if (block_body(block, row, &body, &err))
        return text_value(body);
    query_failed(relation->query, &err);
    return (struct block_value){0};
}

struct block_value relation_value(const struct relation *relation, int column, struct block *block, uint32_t row,
                                  char scratch[static QUERY_SCRATCH], bool *ret_is_lasting)
{
    const struct query_column *what = &relation->columns[column];
    *ret_is_lasting = true;
    switch (what->what) {
    case QUERY_OFFSET:
        return int_value((int64_t)(block->first + row));
    case QUERY_TIME_US:
        return time_value(block, BLOCK_TIME, row, NULL);
    case QUERY_ARRIVAL_US:
        return time_value(block, BLOCK_ARRIVAL, row, NULL);
    case QUERY_TIME_TEXT:
        *ret_is_lasting = false;
        return time_value(block, BLOCK_TIME, row, scratch);
    case QUERY_ARRIVAL_TEXT:
        *ret_is_lasting = false;
        return time_value(block, BLOCK_ARRIVAL, row, scratch);
    case QUERY_KEY:
        return text_of(block, BLOCK_KEY, row);
    case QUERY_ID:
        return text_of(block, BLOCK_ID, row);
    case QUERY_HEADERS:
        return text_of(block, BLOCK_HEADERS, row);
    case QUERY_BODY:
        *ret_is_lasting = false;
        return body_of(relation, block, row);
    case QUERY_FIELD:
        break;
    }
    const struct relation_field *field = &relation->table.fields[what->field];
    const struct block_column *from = field_column(block, field);
    if (!from || block_is_null(from, row))
        return (struct block_value){0};
    return as_kind(block_value(from, row), field->kind, scratch, ret_is_lasting);
}

bool query_row_counts(const struct relation *relation, const struct block *block, uint32_t row)
{
    const struct block_column *flag = block_role_column(block, BLOCK_FLAG),
                              *time = block_role_column(block, BLOCK_TIME);
    if (flag && block_int(flag, row) != BLOCK_MESSAGE)
        return false;
    int64_t us = time ? block_int(time, row) : 0;
    return !time || (us >= relation->table.time_from_us && us < relation->table.time_to_us);
}
