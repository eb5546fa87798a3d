/** A dashboard as the server tells it. */
export interface Dashboard {
  slug: string;
  title: string;
  notebook: string | null;
  run: string | null;
  show_code: boolean;
  created_at: string;
  changed_at: string;
  changed_by: string;
}
