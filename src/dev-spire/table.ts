// How does SPIRE Server keep and page rows? (its SQL store: ascending row ids, the last one of a page is the token)
import { status as GrpcStatus } from '@grpc/grpc-js';
import { RpcError } from './rpc-error.ts';

export interface PageOf<Row> {
  readonly rows: readonly Row[];
  readonly nextPageToken: string;
}

/** Rows by key, in the order in which they were first added. */
export class Table<Row> {
  readonly #rows = new Map<string, { readonly rowId: number; readonly row: Row }>();
  #lastRowId = 0;

  get size(): number {
    return this.#rows.size;
  }

  get(key: string): Row | undefined {
    return this.#rows.get(key)?.row;
  }

  has(key: string): boolean {
    return this.#rows.has(key);
  }

  /** A row that is there keeps its row id and so its place. */
  set(key: string, row: Row): void {
    const rowId = this.#rows.get(key)?.rowId ?? (this.#lastRowId += 1);
    this.#rows.set(key, { rowId, row });
  }

  delete(key: string): boolean {
    return this.#rows.delete(key);
  }

  rows(): readonly Row[] {
    return [...this.#rows.values()].map(({ row }) => row);
  }

  /**
   * Without a page size: everything. Else a token comes with every page that has rows, so that the last answer is an
   * empty page without one.
   */
  page(pageSize: number, pageToken: string, wanted: (row: Row) => boolean = () => true): PageOf<Row> {
    const matching = [...this.#rows.values()].filter(({ row }) => wanted(row));
    if (pageSize <= 0) return { rows: matching.map(({ row }) => row), nextPageToken: '' };
    if (!/^\d*$/.test(pageToken)) throw new RpcError(GrpcStatus.INTERNAL, `could not parse token '${pageToken}'`);
    const after = Number(pageToken);
    const found = matching.filter(({ rowId }) => rowId > after).slice(0, pageSize);
    return { rows: found.map(({ row }) => row), nextPageToken: String(found.at(-1)?.rowId ?? '') };
  }
}
