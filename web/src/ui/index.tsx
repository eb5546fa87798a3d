/** Small parts that pages share. They own no truth: they show what they are given. */
export {Announce, announce} from "./announce";
export {Copy} from "./copy";
export {Dialog} from "./dialog";
export {Empty, Loading, ProblemBox, Shown} from "./shown";
export {Table} from "./table";
export {Tabs} from "./tabs";
export {Progress, StateBadge, Tag, Time} from "./small";
