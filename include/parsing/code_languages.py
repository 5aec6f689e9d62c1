"""Programming languages: their file names, their grammars, and what a definition is in each.

A definition opens a section of its own. Those of `containers` hold others (methods, nested
types); what lies inside any other is its body. A language without a grammar is read as lines.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CodeLanguage:
    """A language: `grammar` is tree_sitter's module and its function, "" where there is none.

    `containers`, `leaves` and `wrappers` are node types of that grammar; a wrapper (decorators,
    `export`) belongs to the definition inside it. `patterns` are further leaves, as queries.
    """

    name: str
    media_type: str
    extensions: tuple[str, ...]
    grammar: str = ""
    containers: tuple[str, ...] = ()
    leaves: tuple[str, ...] = ()
    wrappers: tuple[str, ...] = ()
    patterns: tuple[str, ...] = ()


_FUNCTION_VALUES = tuple(
    f"({statement} (variable_declarator value: [(arrow_function) (function_expression)]))"
    for statement in ("lexical_declaration", "variable_declaration")
)
_JAVASCRIPT = CodeLanguage(
    "javascript", "text/javascript", (".js", ".jsx", ".mjs", ".cjs"), "javascript:language",
    containers=("class_declaration",),
    leaves=("function_declaration", "generator_function_declaration", "method_definition"),
    wrappers=("export_statement",),
    patterns=_FUNCTION_VALUES,
)  # fmt: skip


def _typescript(name: str, extensions: tuple[str, ...], function: str) -> CodeLanguage:
    return CodeLanguage(
        name, "text/x-typescript", extensions, f"typescript:{function}",
        containers=(*_JAVASCRIPT.containers, "abstract_class_declaration", "internal_module", "module"),
        leaves=(*_JAVASCRIPT.leaves, "interface_declaration", "enum_declaration",
                "type_alias_declaration", "abstract_method_signature"),
        wrappers=("export_statement", "ambient_declaration", "expression_statement"),
        patterns=_FUNCTION_VALUES,
    )  # fmt: skip


def _cpp(name: str, extensions: tuple[str, ...]) -> CodeLanguage:
    # A .h file may be C or C++; the grammar of C++ reads both.
    return CodeLanguage(
        name, f"text/x-{name}", extensions, "cpp:language",
        containers=("namespace_definition", "class_specifier"),
        leaves=("function_definition", "enum_specifier", "concept_definition"),
        wrappers=("template_declaration",),
        patterns=("(struct_specifier body: (_))", "(union_specifier body: (_))"),
    )  # fmt: skip


LANGUAGES = (
    CodeLanguage("python", "text/x-python", (".py", ".pyi"), "python:language",
                 containers=("class_definition",), leaves=("function_definition",),
                 wrappers=("decorated_definition",)),
    _JAVASCRIPT,
    _typescript("typescript", (".ts", ".mts", ".cts"), "language_typescript"),
    _typescript("tsx", (".tsx",), "language_tsx"),
    CodeLanguage("go", "text/x-go", (".go",), "go:language",
                 leaves=("function_declaration", "method_declaration", "type_declaration")),
    CodeLanguage("rust", "text/x-rust", (".rs",), "rust:language",
                 containers=("impl_item", "trait_item", "mod_item"),
                 leaves=("function_item", "function_signature_item", "struct_item", "enum_item",
                         "union_item", "macro_definition")),
    CodeLanguage("java", "text/x-java", (".java",), "java:language",
                 containers=("class_declaration", "interface_declaration", "enum_declaration",
                             "record_declaration", "annotation_type_declaration"),
                 leaves=("method_declaration", "constructor_declaration",
                         "compact_constructor_declaration")),
    CodeLanguage("kotlin", "text/x-kotlin", (".kt", ".kts"), "kotlin:language",
                 containers=("class_declaration", "object_declaration", "companion_object"),
                 leaves=("function_declaration", "secondary_constructor")),
    CodeLanguage("c", "text/x-c", (".c",), "c:language",
                 leaves=("function_definition",),
                 patterns=("(struct_specifier body: (_))", "(enum_specifier body: (_))",
                           "(union_specifier body: (_))")),
    _cpp("c++", (".cc", ".cpp", ".cxx", ".hpp", ".hh", ".hxx")),
    _cpp("c-header", (".h",)),
    CodeLanguage("csharp", "text/x-csharp", (".cs",), "c_sharp:language",
                 containers=("namespace_declaration", "class_declaration", "struct_declaration",
                             "interface_declaration", "record_declaration"),
                 leaves=("method_declaration", "constructor_declaration", "property_declaration",
                         "operator_declaration", "enum_declaration", "delegate_declaration")),
    CodeLanguage("ruby", "text/x-ruby", (".rb",), "ruby:language",
                 containers=("class", "module", "singleton_class"),
                 leaves=("method", "singleton_method")),
    CodeLanguage("php", "text/x-php", (".php",), "php:language_php",
                 containers=("class_declaration", "interface_declaration", "trait_declaration",
                             "enum_declaration"),
                 leaves=("function_definition", "method_declaration")),
    CodeLanguage("swift", "text/x-swift", (".swift",), "swift:language",
                 containers=("class_declaration", "protocol_declaration"),
                 leaves=("function_declaration", "init_declaration", "deinit_declaration",
                         "protocol_function_declaration")),
    CodeLanguage("scala", "text/x-scala", (".scala", ".sc"), "scala:language",
                 containers=("class_definition", "object_definition", "trait_definition",
                             "enum_definition"),
                 leaves=("function_definition", "function_declaration")),
    CodeLanguage("shell", "application/x-sh", (".sh", ".bash"), "bash:language",
                 leaves=("function_definition",)),
    CodeLanguage("sql", "application/sql", (".sql",)),
    CodeLanguage("yaml", "application/yaml", (".yaml", ".yml")),
    CodeLanguage("toml", "application/toml", (".toml",)),
    CodeLanguage("json", "application/json", (".json",)),
    CodeLanguage("ini", "text/x-ini", (".ini", ".cfg")),
    CodeLanguage("css", "text/css", (".css", ".scss", ".less")),
)  # fmt: skip
