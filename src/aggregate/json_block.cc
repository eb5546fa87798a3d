/* JSON to columns: see json_block.h.  The only user of simdjson.  Layer aggregate; a parser belongs to one thread.
 *
 * simdjson finds the structure of a message with vector instructions (Langdale
 * and Lemire, "Parsing gigabytes of JSON per second"); its On-Demand interface
 * then reads values where they stand, so that each goes into its column once. */
#define SIMDJSON_EXCEPTIONS 0
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <utility>
#include <simdjson.h>
#define _Noreturn [[noreturn]]
extern "C" {
#include "base/json.h"
#include "json_block.h"
}

namespace ondemand = simdjson::ondemand;
using simdjson::error_code;

struct json_parser {
    ondemand::parser parser;
    ondemand::document document;
    char *text, *opened;                /* the message, and a text without its escapes, with room for whole vectors */
    size_t max;                         /* of either */
    size_t len;
    block_builder *builder;
};

extern "C" json_parser *json_parser_new(void)
{
    json_parser *parser = new (std::nothrow) json_parser();
    su_assert(parser != nullptr);
    return parser;
}

extern "C" void json_parser_free(json_parser *parser)
{
    if (parser == nullptr)
        return;
    free(parser->text);
    free(parser->opened);
    delete parser;
}

namespace {

/* What to tell the user; simdjson's own words speak of its insides. */
const char *words_of(error_code error)
{
    switch (error) {
    case simdjson::EMPTY: return "it is empty";
    case simdjson::UTF8_ERROR: return "a text is not valid UTF-8";
    case simdjson::UNCLOSED_STRING: return "a text is not closed";
    case simdjson::UNESCAPED_CHARS: return "a text holds a control character that is not escaped";
    case simdjson::STRING_ERROR: return "a text has a bad escape";
    case simdjson::NUMBER_ERROR: return "a number is malformed";
    case simdjson::DEPTH_ERROR: return "it is nested too deeply";
    case simdjson::TRAILING_CONTENT: return "there is text after its end";
    case simdjson::N_ATOM_ERROR:
    case simdjson::T_ATOM_ERROR:
    case simdjson::F_ATOM_ERROR: return "a word is none of true, false and null";
    case simdjson::INCOMPLETE_ARRAY_OR_OBJECT: return "an object or list is not closed";
    case simdjson::MEMALLOC: return "there is no memory for it";
    default: return "its structure is wrong";
    }
}

bool refuse(json_parser *parser, error_code error, su_err *err)
{
    const char *at = nullptr;
    if (parser->document.current_location().get(at) || at < parser->text || at > parser->text + parser->len)
        return su_fail(err, SU_INVALID, "not JSON: %s", words_of(error));
    return su_fail(err, SU_INVALID, "not JSON: %s, near byte %zu", words_of(error), static_cast<size_t>(at - parser->text));
}

bool refuse_depth(su_err *err)
{
    return su_fail(err, SU_INVALID, "not taken: the JSON is nested deeper than %d levels", int(SU_JSON_DEPTH_MAX));
}

/* Text up to its closing quote, which is there; false when it has escapes. */
inline bool plain_text(const char *raw, su_str *ret)
{
    size_t len = 0;
    while (raw[len] != '"' && raw[len] != '\\')
        len++;
    *ret = su_str{raw, len};
    return raw[len] == '"';
}

/* An integer that no 64 bits hold, as the float nearest to it: digits only, so its text is good if strtod takes all of it. */
bool set_big_number(json_parser *parser, block_field field, std::string_view token, su_err *err)
{
    size_t len = 0;
    const size_t skip = !token.empty() && token[0] == '-';
    while (skip + len < token.size() && token[skip + len] >= '0' && token[skip + len] <= '9')
        len++;
    const size_t end = token.find_last_not_of(" \t\r\n") + 1;
    if (len == 0 || skip + len != end || (len > 1 && token[skip] == '0'))
        return refuse(parser, simdjson::NUMBER_ERROR, err);
    const double value = strtod(token.data(), nullptr);
    if (std::isinf(value))
        return su_fail(err, SU_INVALID, "not JSON: a number is larger than any double");
    block_set_float(parser->builder, field, value);
    return true;
}

bool set_number(json_parser *parser, ondemand::value &value, block_field field, su_err *err)
{
    ondemand::number number;
    const std::string_view token = value.raw_json_token();
    if (value.get_number().get(number))
        return set_big_number(parser, field, token, err);
    switch (number.get_number_type()) {
    case ondemand::number_type::signed_integer: block_set_int(parser->builder, field, number.get_int64()); break;
    case ondemand::number_type::unsigned_integer: block_set_float(parser->builder, field, static_cast<double>(number.get_uint64())); break;
    case ondemand::number_type::floating_point_number: block_set_float(parser->builder, field, number.get_double()); break;
    }
    return true;
}

bool set_bool(json_parser *parser, ondemand::value &value, block_field field, su_err *err)
{
    bool is_true;
    if (value.get_bool().get(is_true))
        return refuse(parser, simdjson::T_ATOM_ERROR, err);
    block_set_bool(parser->builder, field, is_true);
    return true;
}

bool read_null(json_parser *parser, ondemand::value &value, su_err *err)
{
    bool is_null;
    return (!value.is_null().get(is_null) && is_null) || refuse(parser, simdjson::N_ATOM_ERROR, err);
}

/* The text behind a quote. */
inline bool open_text(json_parser *parser, ondemand::raw_json_string raw, su_str *ret, su_err *err)
{
    if (plain_text(raw.raw(), ret))
        return true;
    uint8_t *to = reinterpret_cast<uint8_t *>(parser->opened);
    std::string_view opened;
    const error_code error = parser->parser.unescape(raw, to).get(opened);
    if (error)
        return refuse(parser, error, err);
    *ret = su_str{opened.data(), opened.size()};
    return true;
}

bool set_text(json_parser *parser, ondemand::value &value, block_field field, su_err *err)
{
    ondemand::raw_json_string raw;
    su_str text;
    const error_code error = value.get_raw_json_string().get(raw);
    if (error)
        return refuse(parser, error, err);
    if (!open_text(parser, raw, &text, err))
        return false;
    block_set_text(parser->builder, field, text);
    return true;
}

bool walk(json_parser *parser, ondemand::value &value, block_field field, int depth, su_err *err);

bool walk_object(json_parser *parser, ondemand::object &object, block_field parent, int depth, su_err *err)
{
    if (depth > SU_JSON_DEPTH_MAX)
        return refuse_depth(err);
    for (auto member : object) {
        ondemand::field field;
        error_code error = std::move(member).get(field);
        if (error)
            return refuse(parser, error, err);
        su_str name;
        if (!open_text(parser, field.key(), &name, err))
            return false;
        if (!walk(parser, field.value(), block_member(parser->builder, parent, name), depth, err))
            return false;
    }
    return true;
}

/* Lists keep their text; every value in them is read, so that the text is good. */
bool walk_list(json_parser *parser, ondemand::value &value, block_field field, int depth, su_err *err)
{
    if (depth > SU_JSON_DEPTH_MAX)
        return refuse_depth(err);
    const char *begin = value.raw_json_token().data(), *end;
    ondemand::array list;
    error_code error = value.get_array().get(list);
    if (error)
        return refuse(parser, error, err);
    for (auto item : list) {
        ondemand::value element;
        error = std::move(item).get(element);
        if (error)
            return refuse(parser, error, err);
        if (!walk(parser, element, BLOCK_NO_FIELD, depth, err))
            return false;
    }
    if (field == BLOCK_NO_FIELD)
        return true;
    if (parser->document.current_location().get(end))
        end = parser->text + parser->len;
    while (end > begin && end[-1] != ']')
        end--;
    block_set_json(parser->builder, field, su_str{begin, static_cast<size_t>(end - begin)});
    return true;
}

/* depth: of what the value stands in. */
bool walk(json_parser *parser, ondemand::value &value, block_field field, int depth, su_err *err)
{
    ondemand::json_type type;
    ondemand::object object;
    error_code error = value.type().get(type);
    if (error)
        return refuse(parser, error, err);
    switch (type) {
    case ondemand::json_type::number: return set_number(parser, value, field, err);
    case ondemand::json_type::string: return set_text(parser, value, field, err);
    case ondemand::json_type::boolean: return set_bool(parser, value, field, err);
    case ondemand::json_type::null: return read_null(parser, value, err);
    case ondemand::json_type::array: return walk_list(parser, value, field, depth + 1, err);
    case ondemand::json_type::object: break;
    }
    error = value.get_object().get(object);
    return error ? refuse(parser, error, err) : walk_object(parser, object, field, depth + 1, err);
}

/* Nothing may follow. */
bool is_at_end(json_parser *parser, su_err *err)
{
    const char *at;
    return parser->document.current_location().get(at) == simdjson::OUT_OF_BOUNDS || refuse(parser, simdjson::TRAILING_CONTENT, err);
}

/* Any value but an object: read as the one element of a list. */
bool read_other(json_parser *parser, su_err *err)
{
    ondemand::array list;
    error_code error = parser->document.get_array().get(list);
    if (error)
        return refuse(parser, error, err);
    size_t count = 0;
    for (auto item : list) {
        ondemand::value value;
        error = std::move(item).get(value);
        if (error)
            return refuse(parser, count > 0 ? simdjson::TRAILING_CONTENT : error, err);
        if (count++ > 0)
            return refuse(parser, simdjson::TRAILING_CONTENT, err);
        if (!walk(parser, value, block_member(parser->builder, BLOCK_ROOT, SU_STR("value")), 0, err))
            return false;
    }
    return count == 1 ? is_at_end(parser, err) : refuse(parser, simdjson::EMPTY, err);
}

void make_room(json_parser *parser, size_t len)
{
    if (len + 2 <= parser->max)
        return;
    parser->max = parser->max == 0 ? 4096 : parser->max;
    while (parser->max < len + 2)
        parser->max *= 2;
    free(parser->text);
    free(parser->opened);
    parser->text = static_cast<char *>(su_alloc(parser->max + simdjson::SIMDJSON_PADDING));
    parser->opened = static_cast<char *>(su_alloc(parser->max + simdjson::SIMDJSON_PADDING));
    su_assert(!parser->parser.allocate(parser->max));
}

} // namespace

extern "C" bool json_parser_row(json_parser *parser, su_str text, block_builder *builder, su_err *err)
{
    size_t at = 0;
    while (at < text.len && (text.ptr[at] == ' ' || text.ptr[at] == '\t' || text.ptr[at] == '\n' || text.ptr[at] == '\r'))
        at++;
    if (at == text.len)
        return su_fail(err, SU_INVALID, "not JSON: it is empty");
    const bool is_object = text.ptr[at] == '{';
    make_room(parser, text.len);
    parser->len = is_object ? text.len : text.len + 2;
    parser->builder = builder;
    memcpy(parser->text + !is_object, text.ptr, text.len);
    if (!is_object) {
        parser->text[0] = '[';
        parser->text[text.len + 1] = ']';
    }
    memset(parser->text + parser->len, 0, simdjson::SIMDJSON_PADDING);
    error_code error = parser->parser.iterate(parser->text, parser->len, parser->len + simdjson::SIMDJSON_PADDING).get(parser->document);
    if (error)
        return su_fail(err, SU_INVALID, "not JSON: %s", words_of(error));
    if (!is_object)
        return read_other(parser, err);
    ondemand::object object;
    error = parser->document.get_object().get(object);
    if (error)
        return refuse(parser, error, err);
    return walk_object(parser, object, BLOCK_ROOT, 1, err) && is_at_end(parser, err);
}
