/* JSON values as rows of a table: see json_rows.h.  Layer aggregate; pure. */
#include "json_rows.h"
#include <stdlib.h>
#include <string.h>
#include "base/str.h"
#include "tally.h"
#ifdef __SSE2__
#include <emmintrin.h>
#endif

enum { NODES_MAX = 8192, NO_COLUMN = -1, SAMPLE_TEXT = 256 };

/* A member's place: the path from the row's root. */
struct node {
    uint64_t hash;          /* of parent and key */
    uint32_t parent;
    uint32_t follower;      /* the member that came after it last time: objects of one kind repeat their order */
    int column;             /* NO_COLUMN until a row has a value here */
    char *key;
    size_t key_len;
};

struct field { char *name; struct column *column; uint64_t added, last_row; };

enum cell_kind { CELL_NULL, CELL_PLAIN, CELL_STRING, CELL_RAW };
struct cell { uint32_t node, at, len; enum cell_kind kind; bool has_escapes; };

struct json_rows {
    uint64_t seed;
    size_t columns_max;
    struct node *nodes;
    size_t node_count, node_capacity;
    uint32_t *map;          /* node index + 1, by hash */
    size_t map_size;
    struct field *fields;
    size_t field_count;
    bool has_dropped;
    struct cell *cells;     /* of the row being read */
    size_t cell_count, cell_capacity;
    uint64_t rows;
    const char *fault;
};

/* The buffer being read. */
struct scan { struct json_rows *rows; const char *data; size_t at, len; bool is_last; };

/* --- nodes and columns ------------------------------------------------ */

struct json_rows *json_rows_new(uint64_t seed, size_t columns_max)
{
    struct json_rows *rows = su_alloc(sizeof *rows);
    *rows = (struct json_rows){.seed = seed, .columns_max = columns_max, .map_size = 256, .node_capacity = 64};
    rows->map = su_alloc(rows->map_size * sizeof *rows->map);
    rows->nodes = su_alloc(rows->node_capacity * sizeof *rows->nodes);
    rows->fields = su_alloc(columns_max * sizeof *rows->fields);
    rows->nodes[0] = (struct node){.column = NO_COLUMN};
    rows->node_count = 1;
    return rows;
}

void json_rows_free(struct json_rows *rows)
{
    if (rows == NULL)
        return;
    for (size_t i = 0; i < rows->node_count; i++)
        free(rows->nodes[i].key);
    for (size_t i = 0; i < rows->field_count; i++) {
        free(rows->fields[i].name);
        column_free(rows->fields[i].column);
    }
    free(rows->nodes);
    free(rows->fields);
    free(rows->map);
    free(rows->cells);
    free(rows);
}

const char *json_rows_fault(const struct json_rows *rows) { return rows->fault; }
uint64_t json_rows_count(const struct json_rows *rows) { return rows->rows; }
size_t json_rows_columns(const struct json_rows *rows) { return rows->field_count; }
bool json_rows_dropped(const struct json_rows *rows) { return rows->has_dropped; }

static uint32_t *map_slot(const struct json_rows *rows, uint64_t hash, uint32_t parent, const char *key, size_t len)
{
    size_t at = (size_t)hash & (rows->map_size - 1);
    for (; rows->map[at] != 0; at = (at + 1) & (rows->map_size - 1)) {
        const struct node *node = &rows->nodes[rows->map[at] - 1];
        if (node->hash == hash && node->parent == parent && node->key_len == len && memcmp(node->key, key, len) == 0)
            break;
    }
    return &rows->map[at];
}

static void grow_map(struct json_rows *rows)
{
    free(rows->map);
    rows->map_size *= 2;
    rows->map = su_alloc(rows->map_size * sizeof *rows->map);
    for (uint32_t i = 1; i < rows->node_count; i++)
        *map_slot(rows, rows->nodes[i].hash, rows->nodes[i].parent, rows->nodes[i].key, rows->nodes[i].key_len) = i + 1;
}

/* The node of a key below parent, made when new; 0 when there are too many. */
static uint32_t node_of(struct json_rows *rows, uint32_t parent, const char *key, size_t len)
{
    uint64_t hash = tally_hash(key, len, rows->seed + parent);
    uint32_t *slot = map_slot(rows, hash, parent, key, len);
    if (*slot != 0)
        return *slot - 1;
    if (rows->node_count == NODES_MAX)
        return 0;
    if (rows->node_count == rows->node_capacity)
        rows->nodes = su_realloc(rows->nodes, (rows->node_capacity *= 2) * sizeof *rows->nodes);
    uint32_t index = (uint32_t)rows->node_count++;
    rows->nodes[index] = (struct node){.hash = hash, .parent = parent, .column = NO_COLUMN, .key = su_strndup(key, len), .key_len = len};
    *slot = index + 1;
    if (rows->node_count * 2 > rows->map_size)
        grow_map(rows);
    return index;
}

static char *path_of(const struct json_rows *rows, uint32_t index)
{
    const struct node *node = &rows->nodes[index];
    if (index == 0)
        return su_strdup("value");
    if (node->parent == 0)
        return su_strndup(node->key, node->key_len);
    SU_AUTO_FREE char *above = path_of(rows, node->parent);
    return su_format("%s.%.*s", above, (int)node->key_len, node->key);
}

/* Memory: 128 columns with room for exact counts, the others with little. */
static struct column_limits limits_of(const struct json_rows *rows)
{
    if (rows->field_count < 128)
        return (struct column_limits){.slots_max = 4096, .text_max = 64 << 10, .hyperloglog_bits = 14, .seed = rows->seed};
    return (struct column_limits){.slots_max = 128, .text_max = 4 << 10, .hyperloglog_bits = 12, .seed = rows->seed};
}

static struct field *field_of(struct json_rows *rows, uint32_t index)
{
    struct node *node = &rows->nodes[index];
    if (node->column == NO_COLUMN) {
        if (rows->field_count == rows->columns_max) {
            rows->has_dropped = true;
            return NULL;
        }
        struct column_limits limits = limits_of(rows);
        rows->fields[rows->field_count] = (struct field){.name = path_of(rows, index), .column = column_new(&limits)};
        node->column = (int)rows->field_count++;
    }
    return &rows->fields[node->column];
}

static void add_cell(struct json_rows *rows, struct cell cell)
{
    if (rows->cell_count == rows->cell_capacity) {
        rows->cell_capacity = rows->cell_capacity ? rows->cell_capacity * 2 : 64;
        rows->cells = su_realloc(rows->cells, rows->cell_capacity * sizeof *rows->cells);
    }
    rows->cells[rows->cell_count++] = cell;
}

/* --- escapes ---------------------------------------------------------- */

static int hex_of(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static uint32_t unit_at(const char *text)
{
    uint32_t unit = 0;
    for (int i = 0; i < 4; i++)
        unit = unit << 4 | (uint32_t)hex_of(text[i]);
    return unit;
}

/* \uXXXX at text[at] (after the u), perhaps a pair; moves *at past it. */
static uint32_t unescape_unit(const char *text, size_t len, size_t *at)
{
    uint32_t code = unit_at(text + *at);
    *at += 4;
    if (code >= 0xd800 && code < 0xdc00 && len - *at >= 6 && text[*at] == '\\' && text[*at + 1] == 'u') {
        uint32_t low = unit_at(text + *at + 2);
        if (low >= 0xdc00 && low < 0xe000) {
            *at += 6;
            return 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
        }
    }
    return code >= 0xd800 && code < 0xe000 ? 0xfffd : code;
}

static size_t put_utf8(char *out, uint32_t code)
{
    if (code < 0x80)
        return out[0] = (char)code, 1;
    int tail = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
    static const unsigned char lead[] = {0, 0xc0, 0xe0, 0xf0};
    out[0] = (char)(lead[tail] | code >> (6 * tail));
    for (int i = 1; i <= tail; i++)
        out[i] = (char)(0x80 | (code >> (6 * (tail - i)) & 0x3f));
    return (size_t)tail + 1;
}

/* A string's inside, checked before; to may be from: it only becomes shorter. */
static size_t unescape(char *to, const char *from, size_t len)
{
    size_t out = 0, at = 0;
    while (at < len) {
        if (from[at] != '\\') {
            to[out++] = from[at++];
            continue;
        }
        char c = from[at + 1];
        at += 2;
        if (c == 'u')
            out += put_utf8(to + out, unescape_unit(from, len, &at));
        else
            to[out++] = c == 'b' ? '\b' : c == 'f' ? '\f' : c == 'n' ? '\n' : c == 'r' ? '\r' : c == 't' ? '\t' : c;
    }
    return out;
}

/* --- reading ---------------------------------------------------------- */

static enum json_rows_next bad(struct scan *scan, const char *fault)
{
    scan->rows->fault = fault;
    return JSON_ROWS_BAD;
}

static enum json_rows_next short_of(struct scan *scan)
{
    return scan->is_last ? bad(scan, "it ends too early") : JSON_ROWS_MORE;
}

static inline void skip_space(struct scan *scan)
{
    while (scan->at < scan->len && (unsigned char)scan->data[scan->at] <= ' '
           && (scan->data[scan->at] == ' ' || scan->data[scan->at] == '\n' || scan->data[scan->at] == '\t' || scan->data[scan->at] == '\r'))
        scan->at++;
}

/* The first `"`, `\` or control character from at on. */
static inline size_t find_special(const char *data, size_t at, size_t len)
{
#ifdef __SSE2__
    for (; at < len; at += 16) {
        __m128i block = _mm_loadu_si128((const __m128i *)(const void *)(data + at));
        __m128i control = _mm_cmpeq_epi8(_mm_min_epu8(block, _mm_set1_epi8(0x1f)), block);
        __m128i hits = _mm_or_si128(_mm_or_si128(_mm_cmpeq_epi8(block, _mm_set1_epi8('"')), _mm_cmpeq_epi8(block, _mm_set1_epi8('\\'))), control);
        unsigned mask = (unsigned)_mm_movemask_epi8(hits);
        if (mask != 0) {
            at += (size_t)__builtin_ctz(mask);
            return at < len ? at : len;
        }
    }
    return len;
#else
    while (at < len && data[at] != '"' && data[at] != '\\' && (unsigned char)data[at] >= 0x20)
        at++;
    return at;
#endif
}

/* The string whose opening quote is at scan->at: its inside. */
static enum json_rows_next read_string(struct scan *scan, struct cell *ret)
{
    size_t start = ++scan->at;
    bool has_escapes = false;
    for (;;) {
        scan->at = find_special(scan->data, scan->at, scan->len);
        if (scan->at == scan->len)
            return short_of(scan);
        char c = scan->data[scan->at];
        if (c == '"')
            break;
        if (c != '\\')
            return bad(scan, "a control character within a string");
        has_escapes = true;
        if (scan->len - scan->at < 6 && !scan->is_last)
            return JSON_ROWS_MORE;
        if (scan->len - scan->at < 2)
            return short_of(scan);
        char escaped = scan->data[scan->at + 1];
        if (escaped == '\0' || strchr("\"\\/bfnrtu", escaped) == NULL)
            return bad(scan, "an unknown escape within a string");
        if (escaped == 'u') {
            if (scan->len - scan->at < 6)
                return short_of(scan);
            for (size_t i = 2; i < 6; i++)
                if (hex_of(scan->data[scan->at + i]) < 0)
                    return bad(scan, "\\u without four hex digits");
            scan->at += 4;
        }
        scan->at += 2;
    }
    *ret = (struct cell){.at = (uint32_t)start, .len = (uint32_t)(scan->at - start), .kind = CELL_STRING, .has_escapes = has_escapes};
    scan->at++;
    return JSON_ROWS_ROW;
}

static bool skip_digits(const char *text, size_t len, size_t *at)
{
    size_t start = *at;
    while (*at < len && (unsigned)(text[*at] - '0') <= 9)
        ++*at;
    return *at > start;
}

static bool is_json_number(const char *text, size_t len)
{
    size_t at = text[0] == '-';
    bool is_zero_led = at + 1 < len && text[at] == '0' && (unsigned)(text[at + 1] - '0') <= 9;
    if (is_zero_led || !skip_digits(text, len, &at))
        return false;
    if (at < len && text[at] == '.') {
        at++;
        if (!skip_digits(text, len, &at))
            return false;
    }
    if (at < len && (text[at] | 0x20) == 'e') {
        at++;
        at += at < len && (text[at] == '+' || text[at] == '-');
        if (!skip_digits(text, len, &at))
            return false;
    }
    return at == len;
}

/* A number, true, false or null. */
static enum json_rows_next read_plain(struct scan *scan, struct cell *ret)
{
    size_t start = scan->at;
    while (scan->at < scan->len && ((unsigned)(scan->data[scan->at] - '0') <= 9 || (unsigned)((scan->data[scan->at] | 0x20) - 'a') < 26
                                    || scan->data[scan->at] == '-' || scan->data[scan->at] == '+' || scan->data[scan->at] == '.'))
        scan->at++;
    if (scan->at == scan->len && !scan->is_last)
        return JSON_ROWS_MORE;
    const char *text = scan->data + start;
    size_t len = scan->at - start;
    if (len == 0)
        return scan->at == scan->len ? short_of(scan) : bad(scan, "a character that begins no value");
    *ret = (struct cell){.at = (uint32_t)start, .len = (uint32_t)len, .kind = CELL_PLAIN};
    if (len == 4 && memcmp(text, "null", 4) == 0)
        ret->kind = CELL_NULL;
    else if (!(len == 4 && memcmp(text, "true", 4) == 0) && !(len == 5 && memcmp(text, "false", 5) == 0) && !is_json_number(text, len))
        return bad(scan, "a word that is no value");
    return JSON_ROWS_ROW;
}

/* After a member or element: the comma or the closing bracket. */
static enum json_rows_next read_comma(struct scan *scan, char close, bool *ret_is_end)
{
    skip_space(scan);
    if (scan->at == scan->len)
        return short_of(scan);
    char c = scan->data[scan->at++];
    *ret_is_end = c == close;
    return c == close || c == ',' ? JSON_ROWS_ROW : bad(scan, "neither a comma nor the end of the list or object");
}

/* `"key" :` */
static enum json_rows_next read_key(struct scan *scan, struct cell *ret)
{
    skip_space(scan);
    if (scan->at == scan->len)
        return short_of(scan);
    if (scan->data[scan->at] != '"')
        return bad(scan, "a member without a name in quotes");
    enum json_rows_next next = read_string(scan, ret);
    if (next != JSON_ROWS_ROW)
        return next;
    skip_space(scan);
    if (scan->at == scan->len)
        return short_of(scan);
    return scan->data[scan->at++] == ':' ? JSON_ROWS_ROW : bad(scan, "a member without a colon");
}

/* An opening bracket: is the list or object empty? Then it is passed. */
static enum json_rows_next read_open(struct scan *scan, char close, bool *ret_is_empty)
{
    scan->at++;
    skip_space(scan);
    if (scan->at == scan->len)
        return short_of(scan);
    *ret_is_empty = scan->data[scan->at] == close;
    scan->at += *ret_is_empty;
    return JSON_ROWS_ROW;
}

/* Any value, checked but not looked into. */
static enum json_rows_next skip_value(struct scan *scan, int depth)
{
    struct cell ignored;
    skip_space(scan);
    if (scan->at == scan->len)
        return short_of(scan);
    char open = scan->data[scan->at];
    if (open == '"')
        return read_string(scan, &ignored);
    if (open != '{' && open != '[')
        return read_plain(scan, &ignored);
    if (depth == JSON_ROWS_NESTING_MAX)
        return bad(scan, "nested deeper than 64");
    char close = open == '{' ? '}' : ']';
    bool is_end = false;
    enum json_rows_next next = read_open(scan, close, &is_end);
    while (next == JSON_ROWS_ROW && !is_end) {
        if (open == '{')
            next = read_key(scan, &ignored);
        if (next == JSON_ROWS_ROW)
            next = skip_value(scan, depth + 1);
        if (next == JSON_ROWS_ROW)
            next = read_comma(scan, close, &is_end);
    }
    return next;
}

static enum json_rows_next read_raw(struct scan *scan, uint32_t node, int depth)
{
    size_t start = scan->at;
    enum json_rows_next next = skip_value(scan, depth);
    if (next == JSON_ROWS_ROW)
        add_cell(scan->rows, (struct cell){.node = node, .at = (uint32_t)start, .len = (uint32_t)(scan->at - start), .kind = CELL_RAW});
    return next;
}

/* The node a key names; `before` is the member before it. */
static uint32_t key_node(struct scan *scan, uint32_t parent, uint32_t before, struct cell key)
{
    struct json_rows *rows = scan->rows;
    const char *text = scan->data + key.at;
    const struct node *guess = &rows->nodes[rows->nodes[before].follower];
    if (guess->parent == parent && guess->key_len == key.len && guess->key != NULL && memcmp(guess->key, text, key.len) == 0 && !key.has_escapes)
        return rows->nodes[before].follower;
    SU_AUTO_FREE char *plain = su_alloc((size_t)key.len + 1);
    size_t len = key.has_escapes ? unescape(plain, text, key.len) : key.len;
    if (!key.has_escapes)
        memcpy(plain, text, key.len);
    for (size_t i = 0; i < len; i++)
        if (plain[i] == '\0')
            plain[i] = ' ';
    len = value_cut(plain, len, JSON_ROWS_KEY_MAX);
    uint32_t node = node_of(rows, parent, plain, len);
    rows->nodes[before].follower = node;
    return node;
}

static enum json_rows_next read_value(struct scan *scan, uint32_t node, int depth);

static enum json_rows_next read_object(struct scan *scan, uint32_t parent, int depth)
{
    bool is_end = false;
    uint32_t before = parent;
    enum json_rows_next next = read_open(scan, '}', &is_end);
    while (next == JSON_ROWS_ROW && !is_end) {
        struct cell key;
        next = read_key(scan, &key);
        if (next != JSON_ROWS_ROW)
            break;
        before = key_node(scan, parent, before, key);
        if (before == 0) {
            scan->rows->has_dropped = true;
            before = parent;
            next = skip_value(scan, depth + 1);
        } else {
            next = read_value(scan, before, depth + 1);
        }
        if (next == JSON_ROWS_ROW)
            next = read_comma(scan, '}', &is_end);
    }
    return next;
}

static enum json_rows_next read_value(struct scan *scan, uint32_t node, int depth)
{
    struct cell cell;
    skip_space(scan);
    if (scan->at == scan->len)
        return short_of(scan);
    char open = scan->data[scan->at];
    if (open == '{' && depth < JSON_ROWS_DEPTH)
        return read_object(scan, node, depth);
    if (open == '{' || open == '[')
        return read_raw(scan, node, depth);
    enum json_rows_next next = open == '"' ? read_string(scan, &cell) : read_plain(scan, &cell);
    if (next == JSON_ROWS_ROW) {
        cell.node = node;
        add_cell(scan->rows, cell);
    }
    return next;
}

/* --- a whole row ------------------------------------------------------ */

static void count_cell(struct json_rows *rows, char *data, struct cell *cell)
{
    struct field *field = field_of(rows, cell->node);
    if (field == NULL || field->last_row == rows->rows)
        return;     /* a name that comes twice in one object counts once */
    field->last_row = rows->rows;
    if (cell->has_escapes)
        cell->len = (uint32_t)unescape(data + cell->at, data + cell->at, cell->len);
    if (cell->kind == CELL_NULL)
        return;
    field->added++;
    if (cell->kind == CELL_PLAIN)
        column_add(field->column, data + cell->at, cell->len);
    else
        column_add_string(field->column, data + cell->at, cell->len);
}

enum json_rows_next json_rows_read(struct json_rows *rows, char *data, size_t len, bool is_last, size_t *ret_used)
{
    struct scan scan = {.rows = rows, .data = data, .len = len, .is_last = is_last};
    rows->cell_count = 0;
    enum json_rows_next next = read_value(&scan, 0, 0);
    if (next != JSON_ROWS_ROW)
        return next;
    rows->rows++;
    for (size_t i = 0; i < rows->cell_count; i++)
        count_cell(rows, data, &rows->cells[i]);
    *ret_used = scan.at;
    return next;
}

static json_t *cell_json(const struct cell *cell, const char *data)
{
    size_t len = value_cut(data + cell->at, cell->len, SAMPLE_TEXT);
    if (cell->kind == CELL_NULL)
        return json_null();
    if (cell->kind == CELL_PLAIN && data[cell->at] != 't' && data[cell->at] != 'f')
        return column_cell_json("number", data + cell->at, cell->len);
    if (cell->kind == CELL_PLAIN)
        return json_boolean(data[cell->at] == 't');
    return json_stringn(data + cell->at, len);
}

json_t *json_rows_sample(const struct json_rows *rows, const char *data)
{
    json_t *row = json_array();
    for (size_t i = 0; i < rows->cell_count; i++) {
        int column = rows->nodes[rows->cells[i].node].column;
        if (column == NO_COLUMN)
            continue;
        while (json_array_size(row) <= (size_t)column)
            json_array_append_new(row, json_null());
        if (json_is_null(json_array_get(row, (size_t)column)))
            json_array_set_new(row, (size_t)column, cell_json(&rows->cells[i], data));
    }
    return row;
}

json_t *json_rows_json(struct json_rows *rows)
{
    json_t *columns = json_array();
    for (size_t i = 0; i < rows->field_count; i++) {
        struct field *field = &rows->fields[i];
        column_add_nulls(field->column, rows->rows - field->added);
        json_array_append_new(columns, column_json(field->column, field->name));
    }
    return columns;
}
