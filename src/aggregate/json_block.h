/* JSON to columns: where every message is parsed, once.  Layer aggregate; a parser belongs to one thread at a time.
 *
 * simdjson behind a C interface (json_block.cc is its only user).  Members of
 * objects become fields by path, arrays keep their JSON text, null is absent.
 * Depth and key limits are those of base/json.h; NaN, trailing text and invalid
 * UTF-8 are refused. */
#pragma once
#include "store/block.h"

#ifdef __cplusplus
extern "C" {
#endif
struct json_parser;
struct json_parser *json_parser_new(void);
void json_parser_free(struct json_parser *parser);
/* One JSON value into the row that was begun: an object's members, or anything else as the field "value".
 * SU_INVALID: not JSON (message says what and at which byte); the caller drops the row. */
bool json_parser_row(struct json_parser *parser, struct su_str text, struct block_builder *builder, struct su_err *err);
/* The elements of a JSON array, one after the other, as slices of text (borrowed): false from `each` stops and fails. */
bool json_parser_elements(struct json_parser *parser, struct su_str text,
                          bool (*each)(void *arg, struct su_str element, struct su_err *err), void *arg, struct su_err *err);
#ifdef __cplusplus
}
#endif
