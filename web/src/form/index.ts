/** Forms over JSON documents. */
export {type Document, get, pointerOf, set} from "./document";
export {CheckAt, DocumentForm, JsonAt, ListAt, NumberAt, SelectAt, TextAt} from "./fields";
export {FieldOf, FieldsOf, type Spec} from "./spec";
