/* How a query's table is walked: what narrows a scan, and what it says to cost.  Layer store.
 *
 * Costs are constants: how many rows there are must not change a plan, and so the
 * order of rows.  Streams are walked in the outer loop, objects looked up. */
#include "query_private.h"

#include "base/clock.h"

enum { STREAM_ROWS = 1000000, OBJECT_ROWS = 10000 };

static char operator_of(unsigned char op)
{
    switch (op) {
    case SQLITE_INDEX_CONSTRAINT_EQ:
        return '=';
    case SQLITE_INDEX_CONSTRAINT_GT:
        return '>';
    case SQLITE_INDEX_CONSTRAINT_GE:
        return 'g';
    case SQLITE_INDEX_CONSTRAINT_LT:
        return '<';
    case SQLITE_INDEX_CONSTRAINT_LE:
        return 'l';
    default:
        return '\0';
    }
}

/* 'o' offset, 't' time, 'x' time as text: what narrows a scan. */
static char bound_of(const struct relation *relation, int column)
{
    if (column < 0)
        return 'o';
    switch (relation->columns[column].what) {
    case QUERY_OFFSET:
        return 'o';
    case QUERY_TIME_US:
        return 't';
    case QUERY_TIME_TEXT:
        return 'x';
    case QUERY_FIELD:
    case QUERY_ARRIVAL_TEXT:
    case QUERY_ARRIVAL_US:
    case QUERY_KEY:
    case QUERY_ID:
    case QUERY_HEADERS:
    case QUERY_BODY:
        break;
    }
    return '\0';
}

static bool is_hashable(const struct relation *relation, sqlite3_index_info *info, int at)
{
    int column = info->aConstraint[at].iColumn;
    if (info->aConstraint[at].op != SQLITE_INDEX_CONSTRAINT_EQ || column < 0)
        return false;
    enum query_what what = relation->columns[column].what;
    return (what == QUERY_FIELD || what == QUERY_KEY) &&
           sqlite3_stricmp(sqlite3_vtab_collation(info, at), "BINARY") == 0;
}

int relation_plan(const struct relation *relation, sqlite3_index_info *info)
{
    char *plan = sqlite3_malloc64(2 * (uint64_t)info->nConstraint + 1);
    if (!plan)
        return SQLITE_NOMEM;
    int used = 0, hashed = -1;
    double rows = relation->table.is_stream ? STREAM_ROWS : OBJECT_ROWS;
    double lookup_cost = relation->table.is_stream ? STREAM_ROWS / 10.0 : 10,
           lookup_rows = relation->table.is_stream ? 1000 : 10;
    for (int i = 0; i < info->nConstraint; i++) {
        char op = operator_of(info->aConstraint[i].op), bound = bound_of(relation, info->aConstraint[i].iColumn);
        bool is_hash = hashed < 0 && !bound && is_hashable(relation, info, i);
        if (!info->aConstraint[i].usable || !op || (!bound && !is_hash) || sqlite3_vtab_in(info, i, -1))
            continue;
        if (is_hash)
            hashed = info->aConstraint[i].iColumn;
        plan[2 * used] = is_hash ? 'h' : bound;
        plan[2 * used + 1] = op;
        info->aConstraintUsage[i].argvIndex = ++used;
        rows = op == '=' && bound == 'o' ? 1 : rows / 4;
    }
    plan[2 * used] = '\0';
    bool is_lookup = hashed >= 0 && rows > lookup_rows;
    info->idxNum = hashed + 1;
    info->idxStr = plan;
    info->needToFreeIdxStr = 1;
    info->estimatedRows = (sqlite3_int64)(is_lookup ? lookup_rows : rows);
    info->estimatedCost = is_lookup ? lookup_cost : rows;
    info->orderByConsumed =
        info->nOrderBy == 1 && !info->aOrderBy[0].desc && bound_of(relation, info->aOrderBy[0].iColumn) == 'o';
    return SQLITE_OK;
}

static void narrow_offset(struct query_bounds *bounds, char op, sqlite3_value *value)
{
    if (sqlite3_value_type(value) != SQLITE_INTEGER || sqlite3_value_int64(value) < 0)
        return;
    uint64_t offset = (uint64_t)sqlite3_value_int64(value);
    if ((op == '=' || op == 'g' || op == '>') && offset > bounds->from)
        bounds->from = offset;
    if ((op == '=' || op == 'l' || op == '<') && offset + 1 < bounds->to)
        bounds->to = offset + 1;
}

/* Not exactly: what is in excess is filtered again. */
static void narrow_time(struct query_bounds *bounds, char op, int64_t us)
{
    enum { SLACK_US = 2000000 };
    if (us < INT64_MIN / 2 || us > INT64_MAX / 2)
        return;
    if ((op == '=' || op == 'g' || op == '>') && us - SLACK_US > bounds->time_from_us)
        bounds->time_from_us = us - SLACK_US;
    if ((op == '=' || op == 'l' || op == '<') && us + SLACK_US < bounds->time_to_us)
        bounds->time_to_us = us + SLACK_US;
}

static void narrow_time_text(struct query_bounds *bounds, char op, sqlite3_value *value)
{
    if (sqlite3_value_type(value) != SQLITE_TEXT)
        return;
    const char *ptr = (const char *)sqlite3_value_text(value);
    struct su_str text = {ptr, (size_t)sqlite3_value_bytes(value)};
    int64_t ms;
    if (ptr && text.len >= 20 && text.ptr[10] == 'T' && text.ptr[text.len - 1] == 'Z' && su_time_parse(text, &ms))
        narrow_time(bounds, op, ms * 1000);
}

void relation_narrow(struct query_bounds *bounds, char what, char op, sqlite3_value *value)
{
    if (what == 'o')
        narrow_offset(bounds, op, value);
    else if (what == 't' && sqlite3_value_type(value) == SQLITE_INTEGER)
        narrow_time(bounds, op, sqlite3_value_int64(value));
    else if (what == 'x')
        narrow_time_text(bounds, op, value);
}
