/** What build.mjs makes of imports that are no scripts. */
declare module "*.lazy.css" {
  /** Address of the style sheet, to be linked when it is wanted. */
  const address: string;
  export default address;
}
declare module "*.css" {}
declare module "*?url" {
  /** Address of the file, served as it is. */
  const address: string;
  export default address;
}
declare module "*?frame" {
  /** Address of a classic script bundled from that file, for a frame of its own. */
  const address: string;
  export default address;
}
