//! The pages of this program.

/// Lets go of the pages of this program that are as in its file: code and constants. Whichever is
/// needed again comes back from the page cache (`madvise(2)`, `MADV_DONTNEED`).
///
/// Not for a program whose code may be another than in its file: linked with relocations in it
/// (`DT_TEXTREL`), or changed by itself.
///
/// Where the program's headers don't tell which those are, nothing happens.
pub(crate) fn give_back() {
    let address = |kind| {
        // SAFETY: has no conditions.
        let value = unsafe { libc::getauxval(kind) };
        usize::try_from(value).unwrap_or(0)
    };
    let (table, count) = (address(libc::AT_PHDR), address(libc::AT_PHNUM));
    if table == 0 || address(libc::AT_PHENT) != size_of::<libc::Elf64_Phdr>() {
        return;
    }
    // SAFETY: the kernel has told where the headers of this program are, and how many.
    let headers = unsafe { std::slice::from_raw_parts(table as *const libc::Elf64_Phdr, count) };
    let place = |header: &libc::Elf64_Phdr| usize::try_from(header.p_vaddr).unwrap_or(0);
    // Addresses in them are relative to where the program was put. Those of musl's programs don't say
    // where they are themselves, but follow the file's header, which begins the first segment.
    let page = rustix::param::page_size();
    let base = if let Some(own) = headers.iter().find(|header| header.p_type == libc::PT_PHDR) {
        table.wrapping_sub(place(own))
    } else if table % page == size_of::<libc::Elf64_Ehdr>()
        && let Some(first) =
            headers.iter().find(|header| header.p_type == libc::PT_LOAD && header.p_offset == 0)
    {
        let start = table & !(page - 1);
        // SAFETY: it is in the page that the headers are in; any four bytes are a number.
        let magic = unsafe { std::ptr::read_unaligned(start as *const [u8; 4]) };
        if magic != *b"\x7fELF" {
            return;
        }
        start.wrapping_sub(place(first))
    } else {
        return;
    };
    let as_in_file = |header: &&libc::Elf64_Phdr| {
        header.p_type == libc::PT_LOAD && header.p_flags & libc::PF_W == 0
    };
    // Noted first: the headers themselves are in one of them.
    let mut ranges = [(0, 0); 4];
    for (range, header) in ranges.iter_mut().zip(headers.iter().filter(as_in_file)) {
        let start = base.wrapping_add(place(header));
        let end = start.wrapping_add(usize::try_from(header.p_memsz).unwrap_or(0));
        *range = (start & !(page - 1), end);
    }
    for (start, end) in ranges {
        // SAFETY: nothing was written there, as nothing can be: what is read next is the same. (By a
        // call of rustix, which is made here and not in one more page.)
        let _ = unsafe {
            rustix::mm::madvise(
                start as *mut std::ffi::c_void,
                end.wrapping_sub(start),
                rustix::mm::Advice::LinuxDontNeed,
            )
        };
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_program_goes_on_without_its_pages() {
        super::give_back();
        assert_eq!("as before".len(), 9);
        super::give_back();
    }
}
