/** Dashboard */
import type {PageProps} from "../../routes";

export default function Page(_props: PageProps) {
  return <div class="page"><h1>Dashboard</h1></div>;
}
