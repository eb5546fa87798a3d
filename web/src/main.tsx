/** The page begins here. Every chunk of the page injects this file (see build.mjs). */
import {render} from "preact";
import "./style/base.css";
import "./shared";
import {Shell} from "./shell/Shell";

const place = document.getElementById("page");
if (place) render(<Shell />, place);
