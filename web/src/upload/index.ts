/** Storing files from the page. */
export {UploadButton, Uploads} from "./drop";
export {upload, uploads, type Upload} from "./queue";
