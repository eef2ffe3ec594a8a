# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Configuration of Sphinx for the site that ./dev docs builds from docs/ and the modules' documentation."""

project = "strata.overlay2"
author = "Strata"
copyright = "2026, Strata"
extensions = ["myst_parser", "sphinx_antsibull_ext"]
exclude_patterns = ["site"]
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3

html_theme = "furo"
html_title = project
html_show_sphinx = False
html_copy_source = False
html_use_index = False
html_static_path = ["static"]
html_css_files = ["site.css"]
pygments_style = "ansible"
pygments_dark_style = "monokai"
highlight_language = "YAML+Jinja"

# No links into Ansible's own documentation, because the build asks no other site.
suppress_warnings = ["ref.ref"]
nitpicky = True
nitpick_ignore_regex = [("std:ref", "ansible_collections\\.ansible\\..*|common_return_values|.*lookups.*")]
