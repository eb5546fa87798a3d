/** Untrusted outputs of notebooks, shown safely. Everything that a notebook made becomes pixels here and nowhere else. */
export {Outputs} from "./Outputs";
export {Markdown} from "./markdown-view";
export {plainText} from "./types";
export type {Output, StreamOutput, DataOutput, ErrorOutput, Lines} from "./types";
