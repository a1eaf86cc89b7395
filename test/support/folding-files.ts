// test/support/folding-files.ts — a share on a played file system that keeps the case of names and does not tell names apart by
// it, as macOS' does: every name means the entry that is there, however that is spelled.
import type { Access, Attributes, Changes, Errno, OpenDirectory, OpenFile, Place, ShareFiles } from "../../src/share/files.ts";

const fold = (name: string): string => name.normalize("NFC").toLowerCase();

class FoldingPlace implements Place {
  readonly #in: Place;
  constructor(inner: Place) { this.#in = inner; }
  /** As the directory spells it. */
  #there(name: string): string {
    const list = this.#in.list();
    if (typeof list === "number") return name;
    for (let entry = list.next(); ; entry = list.next()) {
      if (entry !== undefined && fold(entry.name) !== fold(name)) continue;
      list.close();
      return entry?.name ?? name;
    }
  }
  static inner(place: Place): Place { return place instanceof FoldingPlace ? place.#in : place; }
  hold(): Place {
    this.#in.hold();
    return this;
  }
  release(): void { this.#in.release(); }
  attributes(): Attributes | Errno { return this.#in.attributes(); }
  walk(name: string): Place | Errno {
    const found = this.#in.walk(this.#there(name));
    return typeof found === "number" ? found : new FoldingPlace(found);
  }
  open(access: Access): OpenFile | Errno { return this.#in.open(access); }
  list(): OpenDirectory | Errno { return this.#in.list(); }
  create(name: string, access: Access & { readonly exclusive: boolean }, mode: number): { readonly place: Place; readonly file: OpenFile } | Errno {
    const made = this.#in.create(this.#there(name), access, mode);
    return typeof made === "number" ? made : { place: new FoldingPlace(made.place), file: made.file };
  }
  makeDirectory(name: string, mode: number): Errno | 0 { return this.#in.makeDirectory(this.#there(name), mode); }
  makeLink(name: string, target: string): Errno | 0 { return this.#in.makeLink(this.#there(name), target); }
  target(): string | Errno { return this.#in.target(); }
  link(other: Place, name: string): Errno | 0 { return this.#in.link(FoldingPlace.inner(other), this.#there(name)); }
  rename(name: string, to: Place, newName: string): Errno | 0 {
    const from = this.#there(name), into = to instanceof FoldingPlace ? to.#there(newName) : newName;
    return this.#in.rename(from, FoldingPlace.inner(to), into === from ? newName : into); // its own name in another case
  }
  unlink(name: string, directory: boolean): Errno | 0 { return this.#in.unlink(this.#there(name), directory); }
  where(): { readonly directory: Place; readonly name: string } | undefined {
    const where = this.#in.where();
    return where === undefined ? undefined : { directory: new FoldingPlace(where.directory), name: where.name };
  }
  change(changes: Changes): Errno | 0 { return this.#in.change(changes); }
}
export function foldingFiles(files: ShareFiles): ShareFiles {
  return {
    root: () => {
      const root = files.root();
      return typeof root === "number" ? root : new FoldingPlace(root);
    },
    status: () => files.status(),
  };
}
