/* The virtual table of a query: rows of blocks, decoded in chunks, texts handed out where they stand.  Layer store. */
#include "query_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CHUNK = 1024 };

/* A column of a cursor: its chunk, decoded when first asked for. */
enum lane_form { LANE_UNSET, LANE_NULL, LANE_INTS, LANE_FLOATS, LANE_CODES, LANE_TEXTS, LANE_SLOW };
struct lane {
    enum lane_form form; /* in the current piece */
    const struct block_column *column;
    bool has_nulls;
    uint32_t decoded; /* first row of the chunk it holds; UINT32_MAX: none */
    union {
        int64_t ints[CHUNK];
        double floats[CHUNK];
        uint32_t codes[CHUNK];
    } * values;
    struct su_str *dictionary;
};

struct cursor {
    sqlite3_vtab_cursor base;
    struct relation *relation;
    struct query_bounds bounds;
    struct query_scan *scan;
    size_t at;                /* the next piece */
    struct query_piece piece; /* block NULL: at the end */
    uint32_t row, chunk_from, chunk_to;
    bool is_sifted; /* keep says which rows of the chunk count */
    bool keep[CHUNK];
    int64_t times[CHUNK];
    const struct query_index *index;
    uint32_t entry; /* the next one of the index */
    struct lane *lanes;
};

struct connected {
    sqlite3_vtab base;
    struct relation *relation;
    bool *was_asked;
};

/* ------------------------------------------------------------------ scans */

struct query_scan *relation_scan(struct relation *relation, const struct query_bounds *bounds, struct su_err *err)
{
    const struct query_bounds all = {0, UINT64_MAX, INT64_MIN, INT64_MAX};
    const struct query_bounds *wanted = relation->scan_count < QUERY_SCANS_MAX ? bounds : &all;
    for (size_t i = 0; i < relation->scan_count; i++) {
        const struct query_bounds *has = &relation->scans[i].bounds;
        if (has->from <= bounds->from && has->to >= bounds->to && has->time_from_us <= bounds->time_from_us &&
            has->time_to_us >= bounds->time_to_us)
            return &relation->scans[i];
    }
    struct query_scan *scan = &relation->scans[relation->scan_count];
    *scan = (struct query_scan){.bounds = *wanted};
    if (!relation->table.scan(relation->table.arg, wanted, &scan->source, err))
        return NULL;
    relation->scan_count++;
    return scan;
}

const struct query_piece *scan_piece(struct relation *relation, struct query_scan *scan, size_t at, bool *ret_failed)
{
    if (at < scan->count)
        return &scan->pieces[at];
    if (scan->is_complete)
        return NULL;
    struct su_err err;
    struct query_piece piece = {0};
    enum query_next next = relation->table.next(scan->source, &piece, &err);
    if (next == QUERY_ERROR) {
        query_failed(relation->query, &err);
        *ret_failed = true;
        return NULL;
    }
    scan->is_complete = next == QUERY_DONE;
    if (scan->is_complete)
        return NULL;
    if (scan->count == scan->capacity) {
        scan->capacity = scan->capacity ? 2 * scan->capacity : 16;
        scan->pieces = su_realloc(scan->pieces, scan->capacity * sizeof *scan->pieces);
    }
    scan->pieces[scan->count++] = piece;
    return &scan->pieces[at];
}

/* ------------------------------------------------------------------- rows */

static void forget_piece(struct cursor *cursor)
{
    for (int i = 0; i < cursor->relation->column_count; i++)
        if (cursor->lanes[i].form != LANE_UNSET) {
            free(cursor->lanes[i].dictionary);
            cursor->lanes[i].dictionary = NULL;
            cursor->lanes[i].form = LANE_UNSET;
            cursor->lanes[i].decoded = UINT32_MAX;
        }
}

/* Which rows of the chunk count: messages, within the range of event time. */
static void sift(struct cursor *cursor)
{
    const struct block *block = cursor->piece.block;
    uint32_t from = cursor->chunk_from, count = cursor->chunk_to - from;
    const struct query_table *table = &cursor->relation->table;
    const struct block_column *flag = block_role_column(block, BLOCK_FLAG),
                              *time = block_role_column(block, BLOCK_TIME);
    bool is_within = !time || (block->min_us >= table->time_from_us && block->max_us < table->time_to_us);
    cursor->is_sifted = flag || !is_within;
    if (!cursor->is_sifted)
        return;
    memset(cursor->keep, 1, count);
    if (flag) {
        block_ints(flag, from, count, cursor->times);
        for (uint32_t i = 0; i < count; i++)
            cursor->keep[i] = cursor->times[i] == BLOCK_MESSAGE;
    }
    if (is_within)
        return;
    block_ints(time, from, count, cursor->times);
    for (uint32_t i = 0; i < count; i++)
        cursor->keep[i] =
            cursor->keep[i] && cursor->times[i] >= table->time_from_us && cursor->times[i] < table->time_to_us;
}

static void begin_chunk(struct cursor *cursor, uint32_t from)
{
    cursor->chunk_from = cursor->row = from;
    cursor->chunk_to = cursor->piece.to - from < CHUNK ? cursor->piece.to : from + CHUNK;
    sift(cursor);
}

static uint32_t clip(uint64_t offset, uint64_t first, uint32_t rows)
{
    return offset <= first ? 0 : offset - first < rows ? (uint32_t)(offset - first) : rows;
}

/* The next piece that lies within the bounds; block NULL at the end. */
static int begin_piece(struct cursor *cursor)
{
    const struct query_piece *piece;
    bool has_failed = false;
    forget_piece(cursor);
    while ((piece = scan_piece(cursor->relation, cursor->scan, cursor->at, &has_failed))) {
        cursor->at++;
        cursor->piece = *piece;
        uint32_t from = clip(cursor->bounds.from, piece->block->first, piece->block->rows);
        uint32_t to = clip(cursor->bounds.to, piece->block->first, piece->block->rows);
        cursor->piece.from = from > piece->from ? from : piece->from;
        cursor->piece.to = to < piece->to ? to : piece->to;
        bool is_timed = cursor->relation->table.is_stream && block_role_column(piece->block, BLOCK_TIME) != NULL;
        if (is_timed &&
            (piece->block->max_us < cursor->bounds.time_from_us || piece->block->min_us >= cursor->bounds.time_to_us))
            continue;
        if (cursor->piece.from < cursor->piece.to) {
            begin_chunk(cursor, cursor->piece.from);
            return SQLITE_OK;
        }
    }
    cursor->piece.block = NULL;
    return has_failed ? SQLITE_ERROR : SQLITE_OK;
}

/* From `row` on, the first row that counts. */
static int settle(struct cursor *cursor)
{
    while (cursor->piece.block) {
        for (; cursor->row < cursor->chunk_to; cursor->row++)
            if (!cursor->is_sifted || cursor->keep[cursor->row - cursor->chunk_from])
                return SQLITE_OK;
        if (cursor->chunk_to < cursor->piece.to) {
            begin_chunk(cursor, cursor->chunk_to);
            continue;
        }
        int outcome = begin_piece(cursor);
        if (outcome != SQLITE_OK)
            return outcome;
    }
    return SQLITE_OK;
}

static void take_entry(struct cursor *cursor)
{
    cursor->piece.block = NULL;
    if (!cursor->entry)
        return;
    cursor->entry = query_index_next(cursor->index, cursor->entry, &cursor->piece);
    cursor->row = cursor->piece.from;
}

static int next_row(sqlite3_vtab_cursor *base)
{
    struct cursor *cursor = (struct cursor *)base;
    if (cursor->index) {
        take_entry(cursor);
        return SQLITE_OK;
    }
    cursor->row++;
    if (cursor->row < cursor->chunk_to && !cursor->is_sifted)
        return SQLITE_OK;
    return settle(cursor);
}

static int is_at_end(sqlite3_vtab_cursor *base) { return !((struct cursor *)base)->piece.block; }

static int row_id(sqlite3_vtab_cursor *base, sqlite3_int64 *ret)
{
    struct cursor *cursor = (struct cursor *)base;
    *ret = (sqlite3_int64)(cursor->piece.block->first + cursor->row);
    return SQLITE_OK;
}

/* ----------------------------------------------------------------- values */

static enum lane_form text_form(struct lane *lane)
{
    uint32_t count = block_dictionary_count(lane->column), probe;
    if (!count || !block_codes(lane->column, 0, 1, &probe))
        return LANE_TEXTS;
    lane->dictionary = su_alloc(count * sizeof *lane->dictionary);
    for (uint32_t code = 0; code < count; code++) {
        lane->dictionary[code] = block_dictionary(lane->column, code);
        if (!lane->dictionary[code].ptr)
            lane->dictionary[code].ptr = "";
    }
    return LANE_CODES;
}

static enum lane_form field_form(struct lane *lane, const struct block *block, const struct relation_field *field)
{
    lane->column = field_column(block, field);
    if (!lane->column)
        return LANE_NULL;
    enum block_kind has = lane->column->kind;
    if (has == BLOCK_TEXT || has == BLOCK_JSON)
        return text_form(lane);
    if (field->kind == BLOCK_TEXT)
        return LANE_SLOW;
    return has == BLOCK_FLOAT || field->kind == BLOCK_FLOAT ? LANE_FLOATS : LANE_INTS;
}

static enum lane_form role_form(struct lane *lane, const struct block *block, enum block_role role, enum lane_form form)
{
    lane->column = block_role_column(block, role);
    return !lane->column ? LANE_NULL : form == LANE_TEXTS ? text_form(lane) : form;
}

static void begin_lane(struct cursor *cursor, int at)
{
    const struct query_column *what = &cursor->relation->columns[at];
    const struct block *block = cursor->piece.block;
    struct lane *lane = &cursor->lanes[at];
    lane->column = NULL;
    lane->decoded = UINT32_MAX;
    switch (what->what) {
    case QUERY_FIELD:
        lane->form = field_form(lane, block, &cursor->relation->table.fields[what->field]);
        break;
    case QUERY_TIME_US:
        lane->form = role_form(lane, block, BLOCK_TIME, LANE_INTS);
        break;
    case QUERY_ARRIVAL_US:
        lane->form = role_form(lane, block, BLOCK_ARRIVAL, LANE_INTS);
        break;
    case QUERY_KEY:
        lane->form = role_form(lane, block, BLOCK_KEY, LANE_TEXTS);
        break;
    case QUERY_ID:
        lane->form = role_form(lane, block, BLOCK_ID, LANE_TEXTS);
        break;
    case QUERY_HEADERS:
        lane->form = role_form(lane, block, BLOCK_HEADERS, LANE_TEXTS);
        break;
    case QUERY_OFFSET:
    case QUERY_TIME_TEXT:
    case QUERY_ARRIVAL_TEXT:
    case QUERY_BODY:
        lane->form = LANE_SLOW;
        break;
    }
    lane->has_nulls = lane->column && lane->column->has_nulls;
    if (!lane->values && (lane->form == LANE_INTS || lane->form == LANE_FLOATS || lane->form == LANE_CODES))
        lane->values = su_alloc(sizeof *lane->values);
}

static void decode(struct cursor *cursor, struct lane *lane)
{
    uint32_t from = cursor->chunk_from, count = cursor->chunk_to - from;
    lane->decoded = from;
    switch (lane->form) {
    case LANE_INTS:
        block_ints(lane->column, from, count, lane->values->ints);
        break;
    case LANE_FLOATS:
        block_floats(lane->column, from, count, lane->values->floats);
        break;
    case LANE_CODES:
        block_codes(lane->column, from, count, lane->values->codes);
        break;
    case LANE_UNSET:
    case LANE_NULL:
    case LANE_TEXTS:
    case LANE_SLOW:
        break;
    }
}

static void give_text(sqlite3_context *context, struct su_str text, bool is_lasting)
{
    if (text.len > QUERY_VALUE_MAX)
        sqlite3_result_error_toobig(context);
    else
        sqlite3_result_text(context, text.ptr ? text.ptr : "", (int)text.len,
                            is_lasting ? SQLITE_STATIC : SQLITE_TRANSIENT);
}

static int give_slowly(struct cursor *cursor, sqlite3_context *context, int at)
{
    char scratch[QUERY_SCRATCH];
    bool is_lasting;
    struct block_value value =
        relation_value(cursor->relation, at, cursor->piece.block, cursor->row, scratch, &is_lasting);
    if (value.kind == BLOCK_INT)
        sqlite3_result_int64(context, value.integer);
    else if (value.kind == BLOCK_FLOAT)
        sqlite3_result_double(context, value.number);
    else if (value.kind)
        give_text(context, value.text, is_lasting);
    return cursor->relation->query->has_failed ? SQLITE_ERROR : SQLITE_OK;
}

static int give_column(sqlite3_vtab_cursor *base, sqlite3_context *context, int at)
{
    struct cursor *cursor = (struct cursor *)base;
    if (cursor->index)
        return give_slowly(cursor, context, at);
    struct lane *lane = &cursor->lanes[at];
    if (lane->form == LANE_UNSET)
        begin_lane(cursor, at);
    if (lane->decoded != cursor->chunk_from)
        decode(cursor, lane);
    uint32_t row = cursor->row, in_chunk = row - cursor->chunk_from;
    switch (lane->form) {
    case LANE_CODES:
        if (lane->values->codes[in_chunk] != UINT32_MAX)
            give_text(context, lane->dictionary[lane->values->codes[in_chunk]], true);
        break;
    case LANE_INTS:
        if (!lane->has_nulls || !block_is_null(lane->column, row))
            sqlite3_result_int64(context, lane->values->ints[in_chunk]);
        break;
    case LANE_FLOATS:
        sqlite3_result_double(context, lane->values->floats[in_chunk]);
        break; /* NaN is NULL */
    case LANE_TEXTS:
        if (!lane->has_nulls || !block_is_null(lane->column, row))
            give_text(context, block_text(lane->column, row), true);
        break;
    case LANE_SLOW:
        return give_slowly(cursor, context, at);
    case LANE_UNSET:
    case LANE_NULL:
        break;
    }
    return SQLITE_OK;
}

/* ---------------------------------------------------------------- walking */

static int best_index(sqlite3_vtab *base, sqlite3_index_info *info)
{
    return relation_plan(((struct connected *)base)->relation, info);
}

static struct block_value value_of(sqlite3_value *value)
{
    switch (sqlite3_value_type(value)) {
    case SQLITE_INTEGER:
        return (struct block_value){.kind = BLOCK_INT, .integer = sqlite3_value_int64(value)};
    case SQLITE_FLOAT:
        return (struct block_value){.kind = BLOCK_FLOAT, .number = sqlite3_value_double(value)};
    case SQLITE_TEXT: {
        const char *text = (const char *)sqlite3_value_text(value);
        return (struct block_value){.kind = BLOCK_TEXT, .text = {text ? text : "", (size_t)sqlite3_value_bytes(value)}};
    }
    default:
        return (struct block_value){0};
    }
}

/* The first time a table is looked up by a column it is walked; then an index is worth its while. */
static int look_up(struct cursor *cursor, int column, sqlite3_value *value)
{
    struct relation *relation = cursor->relation;
    struct connected *table = (struct connected *)cursor->base.pVtab;
    bool has_failed = false;
    if (!table->was_asked[column]) {
        table->was_asked[column] = true;
        return SQLITE_OK;
    }
    if (!relation->indexes[column])
        relation->indexes[column] = query_index_new(relation, column, &has_failed);
    if (has_failed)
        return SQLITE_ERROR;
    struct block_value wanted = value_of(value);
    cursor->index = relation->indexes[column];
    cursor->entry = query_index_first(cursor->index, &wanted);
    return SQLITE_OK;
}

static int filter(sqlite3_vtab_cursor *base, int number, const char *plan, int count, sqlite3_value **values)
{
    struct cursor *cursor = (struct cursor *)base;
    struct relation *relation = cursor->relation;
    forget_piece(cursor);
    cursor->index = NULL;
    cursor->piece.block = NULL;
    cursor->bounds = (struct query_bounds){0, UINT64_MAX, INT64_MIN, INT64_MAX};
    for (int i = 0; i < count; i++) {
        relation_narrow(&cursor->bounds, plan[2 * i], plan[2 * i + 1], values[i]);
        if (plan[2 * i] == 'h' && look_up(cursor, number - 1, values[i]) != SQLITE_OK)
            return SQLITE_ERROR;
    }
    if (cursor->index) {
        take_entry(cursor);
        return SQLITE_OK;
    }
    struct su_err err;
    cursor->scan = relation_scan(relation, &cursor->bounds, &err);
    if (!cursor->scan)
        return query_failed(relation->query, &err);
    cursor->at = 0;
    int outcome = begin_piece(cursor);
    return outcome == SQLITE_OK ? settle(cursor) : outcome;
}

/* ------------------------------------------------------------ life of tables */

static int open_cursor(sqlite3_vtab *base, sqlite3_vtab_cursor **ret)
{
    struct cursor *cursor = su_alloc(sizeof *cursor);
    cursor->relation = ((struct connected *)base)->relation;
    cursor->lanes = su_alloc((size_t)cursor->relation->column_count * sizeof *cursor->lanes);
    *ret = &cursor->base;
    return SQLITE_OK;
}

static int close_cursor(sqlite3_vtab_cursor *base)
{
    struct cursor *cursor = (struct cursor *)base;
    forget_piece(cursor);
    for (int i = 0; i < cursor->relation->column_count; i++)
        free(cursor->lanes[i].values);
    free(cursor->lanes);
    free(cursor);
    return SQLITE_OK;
}

static void add_name(struct su_buf *out, struct su_str name)
{
    su_buf_addc(out, '"');
    for (size_t i = 0; i < name.len; i++) {
        if (name.ptr[i] == '"')
            su_buf_addc(out, '"');
        su_buf_addc(out, name.ptr[i] == '\0' ? '?' : name.ptr[i]);
    }
    su_buf_addc(out, '"');
}

static const struct {
    const char *name, *type;
    enum query_what what;
} own[] = {
    {"_offset", "INTEGER", QUERY_OFFSET},
    {"_time", "TEXT", QUERY_TIME_TEXT},
    {"_key", "TEXT", QUERY_KEY},
    {"_time_us", "INTEGER", QUERY_TIME_US},
    {"_arrival", "TEXT", QUERY_ARRIVAL_TEXT},
    {"_arrival_us", "INTEGER", QUERY_ARRIVAL_US},
    {"_id", "TEXT", QUERY_ID},
    {"_headers", "TEXT", QUERY_HEADERS},
    {"_body", "TEXT", QUERY_BODY},
};
enum { OWN_SHOWN = 3 };

static void declare_own(struct relation *relation, struct su_buf *out, size_t from, size_t to)
{
    for (size_t i = from; i < to; i++) {
        bool is_time = own[i].what == QUERY_TIME_TEXT || own[i].what == QUERY_ARRIVAL_TEXT;
        su_buf_addf(out, "%s%s %s%s%s", relation->column_count ? ", " : "", own[i].name, own[i].type,
                    i >= OWN_SHOWN ? " HIDDEN" : "", is_time ? " COLLATE " QUERY_TIME_COLLATION : "");
        relation->columns[relation->column_count++].what = own[i].what;
    }
}

/* Names that differ in case alone are one to SQLite: the first one has it. */
static bool is_taken(const struct relation *relation, uint32_t field)
{
    const struct relation_field *fields = relation->table.fields;
    struct su_str name = fields[field].name;
    for (size_t i = 0; relation->table.is_stream && i < SU_COUNT(own); i++)
        if (name.len == strlen(own[i].name) && sqlite3_strnicmp(own[i].name, name.ptr, (int)name.len) == 0)
            return true;
    for (uint32_t i = 0; i < field; i++)
        if (fields[i].name.len == name.len && sqlite3_strnicmp(fields[i].name.ptr, name.ptr, (int)name.len) == 0)
            return true;
    return name.len == 0;
}

static void declare(struct relation *relation, struct su_buf *out)
{
    static const char *const types[] = {"TEXT",
                                        [BLOCK_INT] = "INTEGER",
                                        [BLOCK_FLOAT] = "REAL",
                                        [BLOCK_BOOL] = "INTEGER",
                                        [BLOCK_TEXT] = "TEXT",
                                        [BLOCK_JSON] = "TEXT"};
    const struct query_table *table = &relation->table;
    relation->columns = su_alloc((table->field_count + SU_COUNT(own)) * sizeof *relation->columns);
    su_buf_adds(out, "CREATE TABLE x(");
    if (table->is_stream)
        declare_own(relation, out, 0, OWN_SHOWN);
    for (uint32_t i = 0; i < table->field_count; i++) {
        if (is_taken(relation, i))
            continue;
        if (relation->column_count)
            su_buf_adds(out, ", ");
        add_name(out, table->fields[i].name);
        su_buf_addf(out, " %s", types[table->fields[i].kind]);
        relation->columns[relation->column_count++] = (struct query_column){QUERY_FIELD, i};
    }
    if (table->is_stream)
        declare_own(relation, out, OWN_SHOWN, SU_COUNT(own));
    else if (relation->column_count == 0) {
        su_buf_adds(out, "_offset INTEGER HIDDEN");
        relation->columns[relation->column_count++].what = QUERY_OFFSET;
    }
    su_buf_adds(out, ")");
}

static int connect_table(sqlite3 *handle, void *arg, int count, const char *const *arguments, sqlite3_vtab **ret,
                         char **ret_error)
{
    struct relation *relation = arg;
    relation->query->is_declaring = true;
    int outcome = relation->declared ? sqlite3_declare_vtab(handle, relation->declared) : SQLITE_TOOBIG;
    relation->query->is_declaring = false;
    if (outcome != SQLITE_OK) {
        *ret_error = sqlite3_mprintf("its columns: %s", relation->declared ? sqlite3_errmsg(handle) : "too many");
        return outcome;
    }
    struct connected *table = su_alloc(sizeof *table);
    table->relation = relation;
    table->was_asked = su_alloc((size_t)relation->column_count * sizeof *table->was_asked);
    *ret = &table->base;
    return SQLITE_OK;
}

static int disconnect_table(sqlite3_vtab *base)
{
    struct connected *table = (struct connected *)base;
    free(table->was_asked);
    free(table);
    return SQLITE_OK;
}

static const sqlite3_module module = {
    .xConnect = connect_table,
    .xBestIndex = best_index,
    .xDisconnect = disconnect_table,
    .xOpen = open_cursor,
    .xClose = close_cursor,
    .xFilter = filter,
    .xNext = next_row,
    .xEof = is_at_end,
    .xColumn = give_column,
    .xRowid = row_id,
};

bool relation_open(struct query *query, const char *name, const struct query_table *table, struct relation **ret,
                   struct su_err *err)
{
    struct relation *relation = su_alloc(sizeof *relation);
    *relation = (struct relation){.query = query, .name = su_strdup(name), .table = *table};
    SU_AUTO_BUF struct su_buf text = SU_BUF(1 << 20);
    declare(relation, &text);
    relation->declared = su_buf_take(&text, &(size_t){0});
    relation->indexes = su_alloc((size_t)relation->column_count * sizeof(struct query_index *));
    if (sqlite3_create_module_v2(query->handle, name, &module, relation, NULL) != SQLITE_OK) {
        su_fail(err, SU_INTERNAL, "table %.128s: %s", name, sqlite3_errmsg(query->handle));
        relation_close(relation);
        return false;
    }
    *ret = relation;
    return true;
}

void relation_close(struct relation *relation)
{
    for (int i = 0; relation->indexes && i < relation->column_count; i++)
        query_index_free(relation->indexes[i]);
    for (size_t i = 0; i < relation->scan_count; i++) {
        relation->table.end(relation->scans[i].source);
        free(relation->scans[i].pieces);
    }
    if (relation->table.close)
        relation->table.close(relation->table.arg);
    free(relation->indexes);
    free(relation->columns);
    free(relation->declared);
    free(relation->name);
    free(relation);
}
